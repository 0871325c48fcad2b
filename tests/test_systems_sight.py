"""From when on a look at a live version counts."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.core.check import Check, Limit
from sluice.core.clock import ManualClock
from sluice.core.figures import Figures
from sluice.core.judge.histogram import Histogram
from sluice.core.version import Version
from sluice.systems.sight import MERGED, Sight

WEB = Version(service="web", version="1", name="web@1", url="http://127.0.0.1:1")
P95 = Check(name="p95", ask="split.latency", of={"version": "web@1"}, limit=Limit(is_="<=", value=1.0, unit="s"), minimum=1)


class Late:
    """A splitter whose latencies come so many questions after the counters, as those of a proxy whose threads get no time."""

    def __init__(self, behind: int, missing: int = 0) -> None:
        self.behind, self.missing, self.asked = behind, missing, 0
        self.slow, self.fast = 31, 0

    def figures(self, versions: list[Version]) -> dict[str, Figures]:
        self.asked += 1
        merged = self.slow - self.missing if self.asked > self.behind else 0
        latency = Histogram(((0.05, self.fast), (0.1, 0), (5.0, merged)))
        return {"web@1": Figures(self.slow + self.fast, self.slow, latency)}


def seen(split: Any, clock: ManualClock) -> str:
    """Look, have a hundred fast answers, and return what the check says."""
    sight = Sight(split, [WEB], clock)
    split.fast = 100
    split.asked += 100
    return sight.verdict(P95).text


@pytest.mark.parametrize("behind", [0, 1, 2, 5])
def test_latencies_that_come_late(behind: int):
    """However late the proxy tells the latencies of what was answered before, they are not held against what is answered now."""
    clock = ManualClock()
    assert seen(Late(behind), clock) == "p95 0.05 s <= 1.00 s"
    assert clock.now() - ManualClock().now() <= MERGED


def test_latencies_that_never_come():
    """What the proxy itself has answered has no latency: a look waits for that no longer than it may."""
    clock = ManualClock()
    assert seen(Late(1, missing=2), clock) == "p95 0.05 s <= 1.00 s"
    assert clock.now() - ManualClock().now() == pytest.approx(MERGED)
