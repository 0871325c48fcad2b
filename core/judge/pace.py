"""Is the canary slower than live? A sequential test on ranks that may be read after every look.

A latency counts by its rank among all that came in earlier looks, so one request of a minute weighs no more than one that is
just slower than the rest. Bets say that the canary's ranks are higher; a slowdown must also be large to matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from sluice.core.judge.histogram import Histogram, alike, ranks, superiority
from sluice.core.judge.wager import Wager, Wagered

# How boldly is bet on higher ranks: good for a canary that is slower in 54, 58 and 65 of 100 pairs. A stake of 2 could lose all.
STAKES = (0.5, 1.0, 1.8)
# A canary request that takes longer than a live one in 6 of 10 pairs is slower in a way people notice: with latencies that spread
# by half their size it is a slowdown by a fifth. With enough traffic a test alone would stop a canary for a millisecond.
EFFECT = 0.6

EMPTY = Histogram()


@dataclass(frozen=True)
class Pace(Wagered):
    """What has been seen of the latencies of two versions, look after look.

    `live` and `canary` are the sums; `known` is what the next look is ranked by; `held` waits until both sides have answered.
    The first look only teaches ranks and proves nothing, so look often.
    """

    live: Histogram = EMPTY
    canary: Histogram = EMPTY
    known: Histogram = EMPTY
    held: tuple[Histogram, Histogram] = (EMPTY, EMPTY)
    wager: Wager = field(default=Wager.on(len(STAKES)))

    def seen(self, live: Histogram, canary: Histogram) -> Pace:
        """Return what is known after one more look, given what came since the look before. Bounds never change, else ValueError."""
        block = (self.held[0] + live, self.held[1] + canary)
        told = replace(self, live=self.live + live, canary=self.canary + canary, held=block)
        if not (block[0].total and block[1].total):
            return told
        alike(*block)
        known = self.known + block[0] + block[1]
        scores = [rank - 0.5 for rank in ranks(self.known)] if self.known.total else [0.0] * len(known.bins)
        gains = [gain(stake, scores, *block) for stake in STAKES]
        return replace(told, known=known, held=(EMPTY, EMPTY), wager=self.wager.grown(gains))

    @property
    def effect(self) -> float:
        """Return the probability that a canary request takes longer than a live one, ties half."""
        return superiority(self.live, self.canary)


def gain(stake: float, scores: list[float], live: Histogram, canary: Histogram) -> float:
    """Return the log of what a bet makes of one block, both sides of which have latencies; a score for each bin, -0.5 to 0.5.

    Its expectation is at most 1 while the canary's scores are on average no higher than live's (docs/judge.md).
    """
    share = canary.total / (live.total + canary.total)
    up = sum(n * math.log1p((1 - share) * stake * score) for n, score in zip(canary.counts, scores, strict=True) if n)
    down = sum(n * math.log1p(-share * stake * score) for n, score in zip(live.counts, scores, strict=True) if n)
    return up + down
