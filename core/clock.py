"""Time is an argument: whoever waits is handed a clock."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where time comes from. `wait` may raise `Interrupted` when there is a reason to stop waiting."""

    def now(self) -> float:
        """Return seconds since the epoch."""

    def steady(self) -> float:
        """Return seconds that only pass, whatever the machine's clock is set to: differences mean something, and only within a process."""

    def wait(self, seconds: float) -> None:
        """Return after that many seconds."""


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def steady(self) -> float:
        """Return seconds since the machine was started, those in which it slept among them where it counts those."""
        return steady()

    def wait(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(max(0.0, seconds))


class ManualClock:
    """A clock that moves only when somebody waits: tests take no real seconds."""

    def __init__(self, at: float = 1_700_000_000.0) -> None:
        self.at, self.passed = at, 0.0

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self.at

    def steady(self) -> float:
        """Return how long somebody has waited in all."""
        return self.passed

    def wait(self, seconds: float) -> None:
        """Move on at once."""
        self.at += max(0.0, seconds)
        self.passed += max(0.0, seconds)

    def jump(self, seconds: float) -> None:
        """Be set to another time: none passes."""
        self.at += seconds


def steady() -> float:
    """Return what `SystemClock.steady` does."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
