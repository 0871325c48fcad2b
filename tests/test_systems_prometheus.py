"""Questions to a Prometheus: a real one, and what is not one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sluice.core.errors import Unreachable
from sluice.core.reading import NoData, Number
from sluice.systems.prometheus import ask
from tests.fixtures.front import free, wait
from tests.fixtures.prometheus import Jobs
from tests.fixtures.web import Answer, Web

Start = Callable[[Jobs], str]


def reading(question: str, url: str, **of: Any) -> Any:
    return ask(question, {"url": url, **of}, 5)


def up(url: str, **of: Any) -> float | None:
    """Return the share of targets that are up, None while there is none."""
    seen = reading("prometheus.targets", url, **of)
    return seen.value if isinstance(seen, Number) else None


@pytest.mark.embedded
def test_targets(prometheus: Start, web: Web):
    """All that are scraped well are up; one that is away is named with the reason, and so is a job that nobody has configured."""
    web.tell("/metrics", Answer(body=b"requests_total 7\n"))
    address, away = web.url.removeprefix("http://"), f"127.0.0.1:{free()}"
    url = prometheus({"gateway": (address, "/metrics"), "letters": (away, "/metrics")})
    wait(lambda: up(url, jobs=["gateway"]) == 1)
    wait(lambda: "refused" in str(reading("prometheus.targets", url)))
    seen = reading("prometheus.targets", url)
    assert (seen.value, seen.samples) == (0.5, 2)
    assert seen.evidence.startswith("1 of 2 up; letters: Get ")
    assert seen.evidence.endswith(f"connect: connection refused (http://{away}/metrics)")
    forgotten = reading("prometheus.targets", url, jobs=["gateway", "enrichment"])
    assert (forgotten.value, forgotten.evidence) == (0.5, "1 of 2 up; enrichment: no target")
    wait(lambda: isinstance(reading("prometheus.value", url, query="requests_total"), Number))
    assert reading("prometheus.value", url, query="requests_total").value == 7
    assert reading("prometheus.value", url, query="scalar(vector(2)) * 3") == Number(value=6.0, evidence="scalar")
    assert reading("prometheus.value", url, query="nothing_total") == NoData("no series")
    refused = {
        "sum(": "Prometheus refuses 'sum(': ",
        "up": "the query has 2 series of the type 'vector': aggregate them to one, as by sum(...)",
        "up[1m]": "the query has 2 series of the type 'matrix': aggregate them to one, as by sum(...)",
    }
    for query, why in refused.items():
        with pytest.raises(ValueError, match=r"the query|refuses") as caught:
            reading("prometheus.value", url, query=query)
        assert str(caught.value).startswith(why)


@pytest.mark.embedded
def test_no_target(prometheus: Start):
    """Without any target there is nothing that could be up."""
    assert reading("prometheus.targets", prometheus({})) == NoData("no active target")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"status": "ok"}', b'{"status": "success", "data": 7}'])
def test_not_prometheus(web: Web, body: bytes):
    """Whatever else answers there is told apart, with its status."""
    web.tell("/api/v1/targets", Answer(body=body))
    with pytest.raises(Unreachable) as caught:
        reading("prometheus.targets", web.url)
    assert str(caught.value) == f"{web.url}/api/v1/targets does not answer as Prometheus does (status 200)"


def test_away():
    """A server that is away is unreachable, a question that is none is refused."""
    port = free()
    with pytest.raises(Unreachable) as caught:
        reading("prometheus.value", f"http://127.0.0.1:{port}/", query="up")
    assert str(caught.value).startswith(f"no answer from http://127.0.0.1:{port}/api/v1/query: ")
    with pytest.raises(ValueError, match="needs") as wrong:
        reading("prometheus.value", "http://x")
    assert str(wrong.value) == "'prometheus.value' needs 'query'"
