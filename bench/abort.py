"""How long a bad version goes on getting requests: from the failing verdict to the last one in Envoy's access log."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from bench.load import Ask, Load
from bench.measure import Measure, say
from sluice.core.check import Check, Limit, Unit
from sluice.core.errors import GateFailed
from sluice.core.ladder import Ladder, Step
from sluice.core.rollout import Pair, Rollout
from sluice.core.split import Route
from sluice.core.verdict import Outcome, Verdict, worst
from sluice.core.version import Version
from sluice.hooks.stop import Stop, WatchedClock
from sluice.systems import splits
from sluice.systems.climb import Climb
from tests.fixtures.stack import Stack

LIMIT = 100
LIVE, CANARY = "web@1-live", "web@2-new"
# Half of the requests go to the canary, one every few milliseconds: that is how exact the figure is.
RATE, WEIGHT = 300.0, 50
# Envoy writes its log once a second.
FLUSHED = 1.5


class Noted(Climb):
    """A climb that notes when it was told of a failure."""

    failed = 0.0

    def _verdicts(self) -> list[Verdict]:
        verdicts = super()._verdicts()
        if worst(verdicts) is Outcome.FAILED:
            self.failed = time.time()
        return verdicts


def measure(runs: int) -> Measure:
    """Let a version that fails 3 of 10 requests climb, again and again, under a steady load."""
    with front() as (door, pair), Load(door["url"], [Ask("GET", "/web/a"), Ask("POST", "/web/b", "{}")], rate=RATE):
        found = []
        for run in range(1, runs + 1):
            found.append(_abort(door, pair, f"r{run}"))
            say(f"  {run}/{runs}: {found[-1]:.0f} ms")
    return Measure("abort_ms", round(median(found), 1), "ms", f"at most {LIMIT}; the longest of {runs} took {max(found):.0f}")


@contextmanager
def front() -> Iterator[tuple[dict[str, Any], Pair]]:
    """Start the process runtime's proxy, a good version with all traffic, and a bad one."""
    stack = Stack().start()
    try:
        door = stack.front()
        live = stack.run(LIVE, front=door["split"])
        canary = stack.run(CANARY, front=door["split"], env={"FAIL_RATE": "0.3"})
        yield door, Pair(canary=Version.read(canary["descriptor"]), live=Version.read(live["descriptor"]))
    finally:
        stack.close()


def _abort(door: dict[str, Any], pair: Pair, release: str) -> float:
    """Climb until the abort; return the milliseconds from the verdict to the last request of the canary's."""
    route = Route(service="web", prefix="/web/", live=LIVE, canary=CANARY)
    splits.restore({**door["split"], "routes": [route.wire()]}, "live")
    climb = Noted(_rollout(pair, route, release), splits.open(door["split"]), WatchedClock(Stop()))
    try:
        climb.run()
    except GateFailed:
        time.sleep(FLUSHED)
        return 1000 * max(0.0, _last(Path(door["log"])) - climb.failed)
    raise RuntimeError(f"version '{CANARY}' passed, expected its abort: nothing to measure")


def _rollout(pair: Pair, route: Route, release: str) -> Rollout:
    few = Limit(is_="<=", value=0.05, unit=Unit.RATIO)
    check = Check(name="error rate", ask="split.error_rate", of={"version": CANARY}, limit=few, minimum=50)
    ladder = Ladder(steps=[Step(weight=WEIGHT, soak=60, samples=1), Step(weight=100)])
    return Rollout(release=release, ladder=ladder, routes=[route], pairs=[pair], checks=[check], poll=0.2)


def _last(log: Path) -> float:
    """Return when Envoy got the last request that it gave to the canary, in seconds since the epoch, to the millisecond."""
    entries = map(json.loads, log.read_text().splitlines())
    return max(datetime.fromisoformat(entry["time"]).timestamp() for entry in entries if entry["cluster"] == CANARY)
