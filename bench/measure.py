"""What a benchmark hands back, and how two things are measured side by side."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

Side = Callable[[], object]


@dataclass(frozen=True)
class Measure:
    """A figure, its unit, and what it is held against in words."""

    name: str
    value: float
    unit: str
    against: str


class Skipped(Exception):
    """There is nothing here to measure with; its text says what is missing, and what to do."""


def say(text: str) -> None:
    """Tell whoever waits; the table on stdout stays clean."""
    print(text, file=sys.stderr, flush=True)


def took(call: Side) -> float:
    """Return how long a call takes, in seconds."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def interleaved(sides: Mapping[str, Side], runs: int) -> dict[str, list[float]]:
    """Time every side once a round, so that a busy minute of the machine falls on all of them."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for run in range(1, runs + 1):
        for name, call in sides.items():
            found[name].append(took(call))
        say(f"  {run}/{runs}: " + ", ".join(f"{name} {times[-1]:.2f} s" for name, times in found.items()))
    return found


def ratio(above: list[float], below: list[float]) -> float:
    """Return the median of the rounds' ratios: what slows a whole round down cancels out."""
    return median(one / other for one, other in zip(above, below, strict=True))


def compared(name: str, limit: float, what: str, ours: Side, other: Side, runs: int) -> Measure:
    """Measure what Sluice takes against `what`, round by round."""
    found = interleaved({"sluice": ours, "bare": other}, runs)
    took = {side: f"{median(times):.2f} s" for side, times in found.items()}
    against = f"at most {limit}; {took['sluice']}, {what} {took['bare']}"
    return Measure(name, round(ratio(found["sluice"], found["bare"]), 3), "ratio", against)
