"""What a splitter's figures say about a canary: pure. Counters come in, look by look; verdicts come out.

Questions, asked of each service that has a new version:
`split.error_rate`    share of requests answered with 500 or above (a ratio)
`split.latency`       a quantile of the time to answer (seconds); of: {quantile}
`split.error_delta`   is the new version's error rate worse than live's, by a test that may be read at any time (docs/judge.md)
`split.latency_delta` is the new version slower than live, by ranks

Rates and quantiles look back over `window` seconds (of: {window}), and never past the beginning of the step.
"""

from __future__ import annotations

from collections import deque

from sluice.core.check import Check, judge
from sluice.core.figures import Figures
from sluice.core.reading import NoData, Number, Reading
from sluice.core.rollout import Pair, Rollout
from sluice.core.verdict import Verdict

# Long enough for a rate of 5 % to show in a few requests a second, short enough to see a version go bad late in a soak.
WINDOW = 60.0
QUANTILE = 0.95

Look = tuple[float, dict[str, Figures]]


class Traffic:
    """The looks of one step."""

    def __init__(self, rollout: Rollout) -> None:
        self.pairs = [pair for pair in rollout.pairs if pair.live is None or pair.live.name != pair.canary.name]
        self.checks = [check for check in rollout.checks if check.ask.startswith("split.")]
        self.looks: deque[Look] = deque()

    def begin(self) -> None:
        """Forget the looks of the step before: the proof of a step is its own."""
        self.looks.clear()

    def see(self, at: float, figures: dict[str, Figures]) -> None:
        """Add a look, at a time in seconds. The first look of a step is its zero."""
        self.looks.append((at, figures))
        while len(self.looks) > 2 and self.looks[2][0] <= at - self._widest():
            del self.looks[1]  # the first stays: samples count from the beginning of the step

    def _widest(self) -> float:
        return max([_window(check) for check in self.checks], default=WINDOW)

    @property
    def samples(self) -> int:
        """Return how many requests the new version has answered since the step began: of its services, the fewest."""
        return min((self._since(pair.canary.name, None).total for pair in self.pairs), default=0)

    def verdicts(self) -> list[Verdict]:
        """Judge every check for every service that has a new version."""
        return [self._verdict(check, pair) for check in self.checks for pair in self.pairs]

    def _verdict(self, check: Check, pair: Pair) -> Verdict:
        named = check.model_copy(update={"name": f"{pair.canary.service}: {check.name}"})
        return judge(named, self._reading(check, self._since(pair.canary.name, _window(check))))

    def _reading(self, check: Check, seen: Figures) -> Reading:
        if seen.total == 0:
            return NoData("the new version has answered nothing")
        if check.ask == "split.error_rate":
            return Number(value=seen.errors / seen.total, samples=seen.total, evidence=f"{seen.errors} of {seen.total}")
        if check.ask == "split.latency":
            return _latency(seen, float(check.of.get("quantile", QUANTILE)))
        raise ValueError(f"check '{check.name}' asks '{check.ask}': a split answers split.error_rate and split.latency")

    def _since(self, name: str, window: float | None) -> Figures:
        """Return what a version answered within the last seconds (None: since the step began)."""
        if not self.looks:
            return Figures()
        at, newest = self.looks[-1]
        start = self.looks[0]
        if window is not None:
            start = next((look for look in self.looks if look[0] >= at - window), start)
            start = self.looks[0] if start is self.looks[-1] else start
        return newest.get(name, Figures()).since(start[1].get(name, Figures()))


def _window(check: Check) -> float:
    return float(check.of.get("window", WINDOW))


def _latency(seen: Figures, quantile: float) -> Reading:
    wanted, passed = quantile * sum(count for _, count in seen.latency), 0
    for bound, count in seen.latency:
        passed += count
        if count and passed >= wanted:
            return Number(value=bound, samples=seen.total, evidence=f"of {seen.total}")
    return NoData("no latencies yet")
