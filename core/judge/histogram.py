"""Latencies as a proxy counts them: in bins."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate, pairwise


@dataclass(frozen=True)
class Histogram:
    """Counts by bin: (upper bound in seconds, count), bounds ascending, not cumulative. The last bound may be infinite."""

    bins: tuple[tuple[float, int], ...] = ()

    def __post_init__(self) -> None:
        if any(after <= before for (before, _), (after, _) in pairwise(self.bins)):
            raise ValueError(f"bounds of a histogram must ascend: {', '.join(f'{bound:g}' for bound in self.bounds)}")
        if any(count < 0 for count in self.counts):
            raise ValueError(f"counts of a histogram must not be negative: {min(self.counts)}")

    def __add__(self, other: Histogram) -> Histogram:
        """Add bin by bin; a histogram without bins adds nothing."""
        if not (self.bins and other.bins):
            return self if self.bins else other
        alike(self, other)
        return Histogram(tuple((bound, mine + its) for (bound, mine), its in zip(self.bins, other.counts, strict=True)))

    @property
    def bounds(self) -> tuple[float, ...]:
        """Return the upper bounds, in seconds."""
        return tuple(bound for bound, _ in self.bins)

    @property
    def counts(self) -> tuple[int, ...]:
        """Return the counts in the order of the bounds."""
        return tuple(count for _, count in self.bins)

    @property
    def total(self) -> int:
        """Return how many latencies there are."""
        return sum(self.counts)


def quantile(histogram: Histogram, q: float) -> float | None:
    """Return the q-quantile in seconds, None of an empty histogram.

    Inside a bin latencies are taken as evenly spread from its lower bound (0 for the first). A quantile in an open last bin is
    infinite: all that is known is that it lies above every bound, and no limit may pass on that.
    """
    if not 0 <= q <= 1:
        raise ValueError(f"a quantile must be between 0 and 1: {q:g}")
    wanted, passed, lower = q * histogram.total, 0, 0.0
    for bound, count in histogram.bins:
        if count and passed + count >= wanted:
            return math.inf if math.isinf(bound) else lower + (bound - lower) * (wanted - passed) / count
        passed, lower = passed + count, bound
    return None


def ranks(histogram: Histogram) -> tuple[float, ...]:
    """Return for each bin the share of latencies below it and half of those in it (mid-ranks, 0 to 1); of an empty one, all 0.5."""
    total = histogram.total
    ends = accumulate(histogram.counts)
    return tuple((end - count / 2) / total if total else 0.5 for end, count in zip(ends, histogram.counts, strict=True))


def superiority(live: Histogram, canary: Histogram) -> float:
    """Return the probability that a canary request takes longer than a live one, ties half; 0.5 is even, and what no data say.

    The common language effect size (McGraw and Wong, Psychological Bulletin, 1992): the Mann-Whitney U through its greatest value.
    """
    if not (live.total and canary.total):
        return 0.5
    alike(live, canary)
    return sum(count * rank for count, rank in zip(canary.counts, ranks(live), strict=True)) / canary.total


def alike(one: Histogram, other: Histogram) -> None:
    """Raise ValueError when two histograms are not cut at the same bounds: there is no way to compare them."""
    if one.bounds != other.bounds:
        raise ValueError(f"histograms must share their bounds: {_brief(one)} against {_brief(other)}")


def _brief(histogram: Histogram) -> str:
    bounds = [f"{bound:g}" for bound in histogram.bounds]
    return f"{len(bounds)} bins up to {bounds[-1]} s" if bounds else "no bins"
