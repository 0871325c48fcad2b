"""A circuit breaker: after some failures in a row nobody calls any more, until a pause is over and one call that tries has worked.

    CLOSED ──`limit` failures in a row──▶ OPEN ──the pause is over──▶ HALF_OPEN ──it works──▶ CLOSED
                                           ▲                              │
                                           └────it fails: twice the pause─┘

The first pause is 30 s and the longest five minutes: within that a breaker closes by itself once its provider is back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

LIMIT = 3
PAUSE, LONGEST = 30.0, 300.0  # seconds
CLOSED, OPEN, HALF_OPEN = "closed", "open", "half_open"


class Open(Exception):
    """A call that was not made."""


class Breaker:
    """One breaker; `pause` and `longest` in seconds, `clock` in seconds that only grow, `told` hears each change of state."""

    def __init__(
        self,
        name: str,
        *,
        limit: int = LIMIT,
        pause: float = PAUSE,
        longest: float = LONGEST,
        clock: Callable[[], float] = time.monotonic,
        told: Callable[[str, str, str], None] = lambda name, state, why: None,
    ) -> None:
        self.name, self.limit, self.longest, self.clock, self.told = name, limit, longest, clock, told
        self.first = self.pause = pause
        self.lock = threading.Lock()
        self.state, self.failures, self.since, self.why = CLOSED, 0, clock(), ""

    @property
    def due(self) -> bool:
        """Say whether it is open and its pause is over."""
        return self.state == OPEN and self.clock() - self.since >= self.pause

    @property
    def shown(self) -> dict[str, Any]:
        """Return what /health says of it."""
        left = max(0.0, self.pause - (self.clock() - self.since)) if self.state == OPEN else 0.0
        return {"state": self.state, "failures": self.failures, "resets_in_s": round(left, 3), "why": self.why}

    def call(self, work: Callable[[], T]) -> T:
        """Do the work, unless the breaker is open; whatever the work raises counts as a failure."""
        self._enter()
        try:
            done = work()
        except Exception as error:
            self._failed(str(error))
            raise
        self._well()
        return done

    def _enter(self) -> None:
        with self.lock:
            if self.due:
                self._turn(HALF_OPEN, self.why)
            elif self.state != CLOSED:
                raise Open(f"the breaker of {self.name} is {self.state}: {self.why}")

    def _failed(self, why: str) -> None:
        with self.lock:
            self.failures += 1
            if self.state == HALF_OPEN:
                self.pause = min(2 * self.pause, self.longest)
            if self.state == HALF_OPEN or (self.state == CLOSED and self.failures >= self.limit):
                self._turn(OPEN, why)

    def _well(self) -> None:
        with self.lock:
            self.failures = 0
            if self.state != CLOSED:
                self.pause = self.first
                self._turn(CLOSED, "")

    def _turn(self, state: str, why: str) -> None:
        self.state, self.since, self.why = state, self.clock(), why
        self.told(self.name, state, why)
