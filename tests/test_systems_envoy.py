"""Envoy's admin interface, asked of a real Envoy."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from sluice.core.errors import Unreachable
from sluice.core.judge.histogram import quantile
from sluice.core.split import Route
from sluice.systems import envoy, splits
from tests.fixtures.front import Front, wait

pytestmark = pytest.mark.embedded


def live(front: Front, name: str) -> None:
    service = name.split("@")[0]
    splits.restore(front.descriptor([Route(service=service, prefix="/", live=name)]), "r1")


def test_revision(front: Front):
    """The revision is the one that Envoy follows; a route configuration that it does not have has none."""
    live(front, "web@1")
    assert envoy.revision(front.admin, "front") == splits.open(front.split).get().revision
    assert envoy.revision(front.admin, "fron.") == ""


def test_confirm(front: Front):
    """Confirming waits until Envoy follows, and gives up in time."""
    live(front, "web@1")
    assert envoy.confirm(front.admin, "front", splits.open(front.split).get().revision, 0.0)
    assert not envoy.confirm(front.admin, "front", "another", 0.1)


def test_a_name_that_looks_like_a_pattern(front: Front):
    """A version's name is taken literally: another whose name it would match is not counted with it."""
    odd, other = "web@1.0+b-ab12", "web@1x0+b-ab12"
    front.serve(odd)
    front.serve(other)
    live(front, other)
    assert httpx.get(front.url).headers["x-version"] == other
    live(front, odd)
    for _ in range(3):
        assert httpx.get(front.url).headers["x-version"] == odd
    assert {name: one.total for name, one in envoy.figures(front.admin, [odd, other]).items()} == {odd: 3, other: 1}


def test_a_version_that_is_dead(front: Front):
    """A request that Envoy itself answers with 503, as its version does not, is an error of that version."""
    front.serve("web@1")
    live(front, "web@1")
    front.kill("web@1")
    assert httpx.get(front.url).status_code == 503
    figures = envoy.figures(front.admin, ["web@1"])["web@1"]
    assert (figures.total, figures.errors) == (1, 1)


def test_latencies(front: Front):
    """Latencies are in seconds, the quantile of a slow version is near what clients see, and the next question has them."""
    front.serve("web@1", DELAY="0.3")
    live(front, "web@1")
    for _ in range(3):
        httpx.get(front.url)
    wait(lambda: envoy.figures(front.admin, ["web@1"])["web@1"].latency.total == 3)
    median = quantile(envoy.figures(front.admin, ["web@1"])["web@1"].latency, 0.5)
    assert median is not None
    assert 0.2 < median < 0.6


def test_the_proxy_is_gone(front: Front, tmp_path: Path):
    """A proxy that does not answer is an error with its socket, never figures of zero."""
    front.kill("envoy")
    for admin in (str(tmp_path / "none.sock"), front.admin):
        with pytest.raises(Unreachable) as caught:
            envoy.figures(admin, ["web@1"])
        assert str(caught.value) == f"envoy's admin socket '{admin}' does not answer (ConnectError): is the proxy up?"
