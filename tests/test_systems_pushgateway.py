"""A release's figures, pushed to a real server, and to a real push gateway where there is one."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sluice.core.journal import Event, Source
from sluice.systems.pushgateway import push
from tests.fixtures.front import free
from tests.fixtures.journal import ADA, bad, good
from tests.fixtures.pushgateway import pushgateway
from tests.fixtures.web import Answer, Web

__all__ = ["pushgateway"]
HOOK = {"kind": "pushgateway", "url": "env:PUSH"}
GROUP = "/metrics/job/sluice/instance/shop-production/stack/production"


def written(tmp_path: Path, events: list[Event]) -> tuple[Source, str]:
    """Write a journal, and return where it is, and the release that it is about."""
    path = tmp_path / "shop-production" / "journal.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{event.line()}\n" for event in events))
    return Source(path=str(path), stack="production", run=events[-1].run, actor=ADA), events[0].release


def samples(text: str) -> dict[str, dict[str, float]]:
    """Return figures by metric and its own labels."""
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            own = " ".join(value for name, value in one.labels.items() if name not in ("job", "stack", "instance"))
            found.setdefault(one.name, {})[own] = one.value
    return found


def figures(seen: dict[str, Any], release: str) -> None:
    assert seen["sluice_release_info"] == {f"ada {ADA.git} {release} {release.rpartition('-')[0]}": 1}
    assert {result for result, is_ in seen["sluice_release_result"].items() if is_} == {"proven"}
    assert 20 < seen["sluice_release_duration_seconds"][""] < 23
    assert seen["sluice_release_checks"] == {"health passed": 1, "canary passed": 2}
    assert seen["sluice_release_requests"] == {"answered": 550, "failed": 0}
    assert seen["sluice_release_step_seconds"]["backup"] == pytest.approx(3.2)


def test_push(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Result, duration, steps and gates arrive once, in the text format, and take the place of what was there before."""
    source, release = written(tmp_path, good())
    monkeypatch.setenv("PUSH", web.tell(GROUP, Answer(202)).removesuffix(GROUP))
    assert push(HOOK, source, release) == ""
    (asked,) = web.asked
    assert (asked.method, asked.path, asked.headers["content-type"].partition(";")[0]) == ("PUT", GROUP, "text/plain")
    figures(samples(asked.body.decode()), release)


def test_gateway(pushgateway: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The real gateway takes them, and of a later attempt nothing of an earlier one stays."""
    monkeypatch.setenv("PUSH", pushgateway)
    source, release = written(tmp_path, bad())
    assert push(HOOK, source, release) == ""
    source, release = written(tmp_path, good())
    assert push(HOOK, source, release) == ""
    figures(samples(httpx.get(f"http://{pushgateway}/metrics").text), release)


def test_user(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A user and a password in the address are sent as such, and are in no path."""
    source, release = written(tmp_path, good())
    monkeypatch.setenv("PUSH", web.tell(GROUP, Answer(202)).removesuffix(GROUP).replace("//", "//ada:plant%3Aed@"))
    assert push(HOOK, source, release) == ""
    (asked,) = web.asked
    assert asked.headers["authorization"] == "Basic " + base64.b64encode(b"ada:plant:ed").decode()


@pytest.mark.parametrize(
    ("address", "why"),
    [("http://ada:planted@127.0.0.1:{port}", "URLError"), ("planted://x", "URLError"), ("http://planted[", "ValueError")],
)
def test_nobody(address: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Nobody there, or no address at all, is a warning that does not repeat it."""
    source, release = written(tmp_path, good())
    monkeypatch.setenv("PUSH", address.format(port=free()))
    assert push(HOOK, source, release) == f"pushgateway not told: {why}"


def test_status(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A gateway that refuses is a warning with its status."""
    source, release = written(tmp_path, good())
    monkeypatch.setenv("PUSH", web.tell(GROUP, Answer(400)).removesuffix(GROUP))
    assert push(HOOK, source, release) == "pushgateway not told: status 400"


def test_nothing_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Without a line of this update there is nothing to push."""
    source, _ = written(tmp_path, good())
    monkeypatch.setenv("PUSH", "127.0.0.1:1")
    assert push(HOOK, source, "another-1") == "pushgateway not told: the journal has nothing of this update"
