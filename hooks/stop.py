"""How a long call notices that it should not go on: the deployer died, or was told to stop.

A provider's process outlives a killed CLI until its call ends, and the SDK's `Cancel` does nothing; yet a canary whose
deployer is gone would hold traffic that nobody watches. docs/decisions/0004-told-to-stop.md has the reasons.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import FunctionType
from typing import Any

from sluice.core.clock import steady
from sluice.core.errors import GONE, TOLD, Interrupted
from sluice.systems import deployer

# The design promises a second: a tenth leaves the rest for the write and its confirmation.
SLICE = 0.1
CANCELLED = threading.Event()


class Stop:
    """A watch over the deployer, begun when a call begins. It speaks once: the way back is not interrupted again."""

    def __init__(self) -> None:
        self.deployer = deployer.above()
        self.told = False
        _listen()

    def check(self) -> None:
        """Raise Interrupted when there is a reason to stop that has not been told yet."""
        why = None if self.told else self._why()
        if why:
            self.told = True
            raise Interrupted(why)

    def _why(self) -> str | None:
        if CANCELLED.is_set() or not threading.main_thread().is_alive():
            return TOLD
        if self.deployer and deployer.gone(self.deployer):
            return GONE
        return None


class WatchedClock:
    """The machine's time, whose waits end early with Interrupted. `sign` is told the time in each slice of a wait: somebody is at work."""

    def __init__(self, stop: Stop, sign: Callable[[float], None] | None = None) -> None:
        self.stop, self.sign = stop, sign

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
            self.stop.check()
            if self.sign:
                self.sign(time.time())
            left = deadline - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(SLICE, left))


def _listen() -> None:
    """Make the provider's Cancel, which the engine calls on the first Ctrl-C, set our flag.

    The server already holds the method, so its code is exchanged. Where a later SDK looks different, the other signs remain.
    """
    servicer: Any = getattr(sys.modules.get("__main__"), "DynamicResourceProviderServicer", None)
    cancel = getattr(servicer, "Cancel", None)
    if isinstance(cancel, FunctionType):
        cancel.__code__ = _cancel.__code__


def _cancel(self: Any, request: Any, context: Any) -> Any:
    # Runs with the SDK module's globals, so it imports what it needs.
    from google.protobuf import empty_pb2

    from sluice.hooks import stop

    stop.CANCELLED.set()
    return empty_pb2.Empty()
