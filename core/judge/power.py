"""What a step can see: the smallest error rate of a canary that a number of requests reveals."""

from __future__ import annotations

import math

from sluice.core.judge.rates import Counts, Rates
from sluice.core.judge.wager import ALPHA

# The usual word for "will be seen": four times in five.
POWER = 0.8
# Live's errors vary by chance; so many values of them, five deviations either way, are enough for two digits.
NODES, WIDE = 40, 5.0
# Halvings of the interval 0 to 1: a tenth of a thousandth.
STEPS = 14


def detectable(live: int, canary: int, base: float, *, alpha: float = ALPHA, margin: float = 0.0) -> float | None:
    """Return the smallest error rate of the canary that fails it in 4 of 5 cases; None when no rate would.

    `live` and `canary` are requests, `base` is live's error rate. Counted for one look at the end: looks in between find a little
    more, so this errs on the safe side.
    """
    if not (live and canary):
        return None
    needed = {errors: least(Counts(errors, live), canary, alpha, margin) for errors in _nodes(live, base)}
    low, high = base, 1.0
    if _seen(needed, live, canary, base, high) < POWER:
        return None
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if _seen(needed, live, canary, base, middle) >= POWER else (middle, high)
    return high


def least(live: Counts, canary: int, alpha: float, margin: float) -> int:
    """Return the fewest errors of so many canary requests that fail it; one more than there are requests when none do."""
    low, high = 0, canary + 1
    while low < high:
        middle = (low + high) // 2
        fails = Rates(margin=margin).seen(live, Counts(middle, canary)).p <= alpha
        low, high = (low, middle) if fails else (middle + 1, high)
    return low


def _nodes(n: int, p: float) -> range:
    spread = WIDE * math.sqrt(n * p * (1 - p)) + (1 if p else 0)
    low, high = max(0, math.floor(n * p - spread)), min(n, math.ceil(n * p + spread))
    return range(low, high + 1, max(1, (high - low) // NODES))


def _seen(needed: dict[int, int], live: int, canary: int, base: float, rate: float) -> float:
    """Return the chance of a failure, over what live's errors may come to."""
    weights = {errors: mass(errors, live, base) for errors in needed}
    return sum(weight * _tail(needed[errors], canary, rate) for errors, weight in weights.items()) / sum(weights.values())


def mass(k: int, n: int, p: float) -> float:
    """Return the binomial probability of exactly k in n."""
    if p in (0.0, 1.0):
        return float(k == n * p)
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(p) + (n - k) * math.log1p(-p))


def _tail(k: int, n: int, p: float) -> float:
    """Return the binomial probability of k or more in n."""
    return max(0.0, 1.0 - sum(mass(j, n, p) for j in range(min(k, n + 1)))) if k <= n else 0.0
