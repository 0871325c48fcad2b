"""Evidence as money won: who bets against a true claim hardly ever multiplies the stake by 1/alpha, however often one looks.

Sources: Ville's inequality (1939); Shafer, "Testing by betting" (JRSS A, 2021). The proof for our bets is in docs/judge.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

# The promise for one service: of good canaries, at most one in twenty is stopped by the comparison with live.
FALSE_ALARM = 0.05
# Two questions are asked of each service, errors and latency, and either may cry wolf: each gets half of the promise.
ALPHA = FALSE_ALARM / 2
# Below this many requests on either side the absence of evidence says nothing. At 100 of a canary with a tenth of the traffic,
# against 1 % of errors on live, a canary that fails 12 % has been caught 19 times in 20, one that fails 5 % once in three. Nor is
# anybody stopped for being slow by fewer: those may all be of one busy moment (docs/judge.md).
MINIMUM = 100
# exp() of more than this is no float.
LARGEST = 700.0


@dataclass(frozen=True)
class Wager:
    """One stake on several bets, laid bit by bit: of the rest, half at the first look, a third at the second, and so on.

    Bets laid early win most on a canary that was bad from the start; those laid late have lost nothing while it was still good,
    and see it go bad. `logs` is the log of what each bet is worth, `looks` how many told something, `peak` the log of the greatest
    evidence so far.
    """

    logs: tuple[float, ...]
    looks: int = 0
    peak: float = 0.0

    @classmethod
    def on(cls, bets: int) -> Self:
        """Return the stake before anything was seen."""
        return cls((-math.inf,) * bets)

    def grown(self, gains: Sequence[float]) -> Wager:
        """Return the wager after one more look; `gains` is the log of each bet's factor. A look that changes none is no look."""
        if not any(gains):
            return self
        looks = self.looks + 1
        # What was kept back was 1 / looks of the stake; all but 1 / (looks + 1) of it stays so.
        laid = -math.log(looks * (looks + 1) * len(self.logs))
        logs = tuple(total((log, laid)) + gain for log, gain in zip(self.logs, gains, strict=True))
        grown = Wager(logs, looks)
        return replace(grown, peak=max(self.peak, grown.worth))

    @property
    def worth(self) -> float:
        """Return the log of the bets and of what is kept back."""
        return total((*self.logs, -math.log(self.looks + 1)))

    @property
    def evidence(self) -> float:
        """Return how many times the stake has grown (an e-value): 1 says nothing, 20 is rare luck, below 1 speaks for the canary."""
        return math.exp(min(self.worth, LARGEST))

    @property
    def p(self) -> float:
        """Return the p-value that holds at any number of looks: one through the greatest evidence so far."""
        return math.exp(-self.peak)


class Wagered:
    """Whatever bets that the canary is worse: what its `wager` has won so far."""

    wager: Wager

    @property
    def evidence(self) -> float:
        """Return how strongly the data speak for what is bet on (an e-value, docs/judge.md)."""
        return self.wager.evidence

    @property
    def p(self) -> float:
        """Return the p-value that holds at any number of looks."""
        return self.wager.p


def total(logs: Sequence[float]) -> float:
    """Return the log of the sum of numbers given by their logs, one of them above zero."""
    top = max(logs)
    return top + math.log(sum(math.exp(log - top) for log in logs))
