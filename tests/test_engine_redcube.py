"""redcube's bad versions with the real engine and a real database: each is stopped by the figure that it spoils."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from bench.load import Ask, Load
from tests.fixtures.engine import QUICK, Engine, checkout

pytestmark = [pytest.mark.engine, pytest.mark.embedded]
LISTS = Ask("GET", "/api/content/interview-intel/experiences?limit=10")
LADDER = [{"weight": weight, "soak": "2s", "samples": 20} for weight in (10, 25, 50, 100)]


@pytest.fixture(scope="module")
def redcube() -> Iterator[Engine]:
    """Given redcube 1.1.0, live on a stack without approvals and windows."""
    one = Engine(checkout(), stack="staging")
    one.rollout(ladder=LADDER, patience="15s")
    one.release("1.1.0")
    first = one.up()
    assert first.ok, first.out
    yield one
    one.close()


def when_released(stack: Engine, version: str, *, rate: float = 80, workers: int = 16, **settings: str) -> tuple[str, Load]:
    """Release a version of the content service under load; return what the update said."""
    stack.configure("sluice:release", {"version": "1.1.0", "services": {"content-service": {"version": version, "settings": settings}}})
    with Load(stack.url, [LISTS], rate=rate, workers=workers) as load:
        result = stack.up()
    assert not result.ok, result.out
    return result.errors[0], load


def then_live_serves(stack: Engine) -> None:
    """The live version has all the traffic, and going back is green without a ladder."""
    assert (stack.share.weight, stack.live) == (0, "1.1.0")
    answer = httpx.get(stack.url + LISTS.path)
    assert (answer.status_code, answer.headers["x-version"]) == (200, "1.1.0")
    stack.configure("sluice:release", {"version": "1.1.0"})
    back = stack.up()
    assert back.ok, back.out
    assert "canary-ladder" not in back.out


def test_a_version_that_fails_requests(redcube: Engine) -> None:
    """1.2.0 fails 12 of 100 lists, and is stopped at 10 % for its error rate, or for being worse than live."""
    error, load = when_released(redcube, "1.2.0")

    assert re.search(r"failed at 10 %: content-service: error rate", error), error
    assert load.tally.failed == 0
    then_live_serves(redcube)


def test_a_slow_version(redcube: Engine) -> None:
    """1.3.0 lets a tenth of the requests wait, and is stopped at 10 % for its latency."""
    # The comparison with live would speak first; and a soak must be longer than what it wants to see.
    checks = {**QUICK["checks"], "latency": {"max": "1s", "lasts": "0s", "samples": 20}, "latency_delta": {"off": True}}
    redcube.rollout(checks=checks, ladder=[{"weight": 10, "soak": "8s", "samples": 40}, 100])
    error, load = when_released(redcube, "1.3.0", workers=48, FAULT_SLOW_SECONDS="2")

    assert re.search(r"failed at 10 %: content-service: p95 \d\.\d\d s > 1\.00 s", error), error
    assert load.tally.failed == 0
    then_live_serves(redcube)


def test_a_version_that_leaks_connections(redcube: Engine) -> None:
    """1.5.0 leaves connections open, and is stopped before it has all those that it may open."""
    # On a busy machine a version that has just started may be slower than live, and be stopped for that.
    checks = {**QUICK["checks"], "connections": {"lasts": "0s"}, "latency_delta": {"off": True}}
    redcube.rollout(checks=checks, ladder=[{"weight": 10, "soak": "30s", "samples": 20}, 100])
    error, load = when_released(redcube, "1.5.0", FAULT_LEAK_EVERY="3")

    assert re.search(r"failed at 10 %: content-service: database connections \d+\.\d % > 80\.0 %", error), error
    assert load.tally.failed == 0
    then_live_serves(redcube)
