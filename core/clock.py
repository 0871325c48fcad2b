"""Time is an argument: whoever waits is handed a clock."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where time comes from. `wait` may raise `Interrupted` when there is a reason to stop waiting."""

    def now(self) -> float:
        """Return seconds since the epoch."""

    def wait(self, seconds: float) -> None:
        """Return after that many seconds."""


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def wait(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(max(0.0, seconds))


class ManualClock:
    """A clock that moves only when somebody waits: tests take no real seconds."""

    def __init__(self, at: float = 1_700_000_000.0) -> None:
        self.at = at

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self.at

    def wait(self, seconds: float) -> None:
        """Move on at once."""
        self.at += max(0.0, seconds)
