"""What a splitter's figures say about a canary: pure. Counters come in, look by look; verdicts come out.

Questions, each about one new version (of: {version}, its name):
`split.error_rate`    share of requests answered with 500 or above (a ratio)
`split.latency`       a quantile of the time to answer, in seconds; of: {quantile}
`split.error_delta`   is the error rate worse than live's, by more than the limit? A test that may be read at any time (docs/judge.md)
`split.latency_delta` is it slower than live, in more than the limit's share of pairs? By ranks (docs/judge.md)

Rates and quantiles look back over `window` seconds (of: {window}), and never past the beginning of the step; the two
comparisons weigh all evidence since the rollout began.

Of a service's first version nobody may know yet: it is compared with nothing, and needs no requests; what it does answer must be good.
"""

from __future__ import annotations

import math
from collections import deque

from sluice.core.check import Check, judge
from sluice.core.figures import Figures
from sluice.core.judge.histogram import quantile
from sluice.core.judge.pace import Pace
from sluice.core.judge.rates import Rates
from sluice.core.judge.rule import errors, latency
from sluice.core.judge.wager import ALPHA
from sluice.core.reading import NoData, Number, Reading
from sluice.core.rollout import Pair, Rollout
from sluice.core.verdict import Outcome, Verdict

# Long enough for a rate of 5 % to show in a few requests a second, short enough to see a version go bad late in a soak.
WINDOW = 60.0
QUANTILE = 0.95

Look = tuple[float, dict[str, Figures]]


class Traffic:
    """The looks of one step, and the evidence of all."""

    def __init__(self, rollout: Rollout) -> None:
        self.pairs = {pair.canary.name: pair for pair in rollout.pairs}
        self.checks = [check for check in rollout.checks if check.ask.startswith("split.")]
        self.looks: deque[Look] = deque()
        # Several services are several chances of a false alarm: together they keep what one may have.
        self.alpha = ALPHA / max(1, len(self.pairs))
        self.paces = dict.fromkeys(self.pairs, Pace())
        deltas = [check for check in self.checks if check.ask == "split.error_delta"]
        self.rates = {check.name: Rates(margin=float(check.limit.value)) for check in deltas}

    def begin(self) -> None:
        """Forget the looks of the step before: the proof of a step is its own."""
        self.looks.clear()

    def see(self, at: float, figures: dict[str, Figures]) -> None:
        """Add a look, at a time in seconds. The first look of a step is its zero."""
        if self.looks:
            self._weigh(self.looks[-1][1], figures)
        self.looks.append((at, figures))
        while len(self.looks) > 2 and self.looks[2][0] <= at - self._widest():
            del self.looks[1]  # the first stays: samples count from the beginning of the step

    def _widest(self) -> float:
        return max([_window(check) for check in self.checks], default=WINDOW)

    def _weigh(self, before: dict[str, Figures], now: dict[str, Figures]) -> None:
        came = {name: self._both(pair, before, now) for name, pair in self.pairs.items()}
        for name, (live, canary) in came.items():
            self.paces[name] = self.paces[name].seen(live.latency, canary.latency)
        for check in self.checks:
            if check.name in self.rates:
                live, canary = came[_version(check)]
                self.rates[check.name] = self.rates[check.name].seen(live.counts, canary.counts)

    def _both(self, pair: Pair, before: dict[str, Figures], now: dict[str, Figures]) -> tuple[Figures, Figures]:
        live = _came(pair.live.name, before, now) if pair.live else Figures()
        return live, _came(pair.canary.name, before, now)

    @property
    def samples(self) -> int | None:
        """Return how many requests the new versions have answered since the step began: of all, the fewest; None where there are only
        services' first ones."""
        return min((self._since(name, math.inf).total for name, pair in self.pairs.items() if pair.live), default=None)

    def verdicts(self) -> list[Verdict]:
        """Judge every check."""
        return [self._verdict(check) for check in self.checks]

    def _verdict(self, check: Check) -> Verdict:
        pair = self.pairs.get(_version(check))
        if pair and pair.live is None:
            return _first(check, self._since(_version(check), _window(check)))
        if check.ask == "split.error_delta":
            rates = self.rates[check.name]
            return errors(check.name, rates, alpha=self.alpha, minimum=check.minimum, severity=check.severity)
        if check.ask == "split.latency_delta":
            pace, effect = self.paces[_version(check)], float(check.limit.value)
            return latency(check.name, pace, alpha=self.alpha, effect=effect, minimum=check.minimum, severity=check.severity)
        return judge(check, reading(check, self._since(_version(check), _window(check))))

    def _since(self, name: str, window: float) -> Figures:
        """Return what a version answered within the last seconds, from the last look before them; at most since the step began."""
        if not self.looks:
            return Figures()
        at, newest = self.looks[-1]
        before = [look for look in self.looks if look[0] <= at - window]
        start = before[-1] if before else self.looks[0]
        return _came(name, start[1], newest)


def _first(check: Check, seen: Figures) -> Verdict:
    """Judge a service's first version: what is bad counts as it does of any other, once there is enough of it."""
    if check.ask in ("split.error_delta", "split.latency_delta"):
        return _passed(check, "its first version, with nothing to compare it with")
    found = reading(check, seen)
    if isinstance(found, NoData):
        return _passed(check, "its first version, which nobody has asked yet")
    few = judge(check.model_copy(update={"minimum": 1}), found)
    return few if few.outcome is Outcome.PASSED else judge(check, found)


def _passed(check: Check, why: str) -> Verdict:
    return Verdict.of(check.name, Outcome.PASSED, f"{check.name}: {why}", check.severity)


def reading(check: Check, seen: Figures) -> Reading:
    """Answer one question about a version from what it has answered."""
    if seen.total == 0:
        return NoData("the new version has answered nothing")
    if check.ask == "split.error_rate":
        return Number(value=seen.counts.rate, samples=seen.total, evidence=f"{seen.errors} of {seen.total}")
    if check.ask == "split.latency":
        value = quantile(seen.latency, float(check.of.get("quantile", QUANTILE)))
        return NoData("no latencies yet") if value is None else Number(value=value, samples=seen.latency.total)
    known = "split.error_rate, split.latency, split.error_delta, split.latency_delta"
    raise ValueError(f"check '{check.name}' asks '{check.ask}': a split answers {known}")


def _came(name: str, before: dict[str, Figures], now: dict[str, Figures]) -> Figures:
    return now.get(name, Figures()).since(before.get(name, Figures()))


def _window(check: Check) -> float:
    return float(check.of.get("window", WINDOW))


def _version(check: Check) -> str:
    return str(check.of["version"])
