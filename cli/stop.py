"""Ctrl-C in a verb that has something to clean up: the first one ends it in order, the second one at once."""

from __future__ import annotations

import signal
import time
from types import FrameType

from sluice.core.clock import steady
from sluice.core.errors import Interrupted

# How often a wait looks up, in seconds.
SLICE = 0.1
# What a shell says of a program that was ended by Ctrl-C.
CODE = 130


class Patient:
    """The machine's time, whose waits end early once with Interrupted; after that cleaning up is not interrupted again."""

    def __init__(self) -> None:
        self.asked = self.told = False
        signal.signal(signal.SIGINT, self._hear)

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def steady(self) -> float:
        """Return seconds that only pass."""
        return steady()

    def wait(self, seconds: float) -> None:
        """Wait in slices, looking up in between."""
        deadline = time.monotonic() + seconds
        while True:
            if self.asked and not self.told:
                self.told = True
                raise Interrupted("told to stop: nothing was changed")
            left = deadline - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(SLICE, left))
