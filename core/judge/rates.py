"""Is the canary's error rate worse than live's? A sequential test on counts that may be read after every look.

An error is a coin: were the canary no worse, it would fall to the canary with at most the canary's share of the requests.
Each bet says that the canary is so many times worse. How high live's rate is, and how it drifts, drops out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from sluice.core.judge.wager import Wager, Wagered

# How many times worse than live a canary may be. From what 10,000 requests can just tell to "live has no errors at all";
# the evidence between two neighbours is nearly as strong as at them, and each more costs all the others a little.
RATIOS = (1.5, 2.0, 3.0, 6.0, 15.0, 100.0)


@dataclass(frozen=True)
class Counts:
    """Requests answered, and the errors among them."""

    errors: int = 0
    total: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.errors <= self.total:
            raise ValueError(f"counts must be 0 <= errors <= total: {self.errors} errors of {self.total}")

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.errors + other.errors, self.total + other.total)

    @property
    def rate(self) -> float:
        """Return the share of errors; 0 without requests."""
        return self.errors / self.total if self.total else 0.0


@dataclass(frozen=True)
class Rates(Wagered):
    """What has been seen of two versions that share the traffic, look after look.

    `margin` is by how much the canary's rate may exceed live's, absolutely (0.01 is a percentage point). `live` and `canary` are
    the sums; `held` is the end of them that waits until both sides have answered something, as else there is nothing to compare.
    """

    margin: float = 0.0
    live: Counts = Counts()
    canary: Counts = Counts()
    held: tuple[Counts, Counts] = (Counts(), Counts())
    wager: Wager = field(default=Wager.on(len(RATIOS)))

    def __post_init__(self) -> None:
        if not 0 <= self.margin < 1:
            raise ValueError(f"margin must be at least 0 and below 1, a share of requests: {self.margin:g}")

    def seen(self, live: Counts, canary: Counts) -> Rates:
        """Return what is known after one more look, given what came since the look before."""
        block = (self.held[0] + live, self.held[1] + canary)
        told = replace(self, live=self.live + live, canary=self.canary + canary, held=block)
        if not (block[0].total and block[1].total):
            return told
        gains = [gain(ratio, *block, margin=self.margin) for ratio in RATIOS]
        return replace(told, held=(Counts(), Counts()), wager=self.wager.grown(gains))


def gain(ratio: float, live: Counts, canary: Counts, *, margin: float = 0.0) -> float:
    """Return the log of what a bet on "`ratio` times worse" makes of one block, both sides of which have requests.

    The likelihood ratio of the errors' division, and a fee for each canary request as it may err with probability `margin` for
    nothing. Its expectation is at most 1 while the canary's rate exceeds live's by no more than the margin (docs/judge.md).
    """
    share = canary.total / (live.total + canary.total)
    odds = 1 + share * (ratio - 1)
    fee = canary.total * math.log1p(margin * (ratio / odds - 1))
    return canary.errors * math.log(ratio) - (live.errors + canary.errors) * math.log(odds) - fee
