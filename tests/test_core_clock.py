"""Two clocks, one port."""

from __future__ import annotations

import time

from sluice.core.clock import Clock, ManualClock, SystemClock


def test_manual():
    """A clock of tests moves as far as somebody waits, never back, and takes no real time."""
    clock = ManualClock(1000)
    before = time.monotonic()
    clock.wait(3600)
    clock.wait(-5)
    assert (clock.now(), clock.steady()) == (4600, 3600)
    clock.jump(-7200)
    assert (clock.now(), clock.steady()) == (-2600, 3600)
    assert time.monotonic() - before < 1


def test_system():
    """The system's clock is the machine's, waits at least as long as told, and not at all for less than nothing."""
    clock: Clock = SystemClock()
    before, steady = clock.now(), clock.steady()
    clock.wait(0.02)
    clock.wait(-3600)
    assert 0.02 <= clock.now() - before < 60
    assert 0.02 <= clock.steady() - steady < 60
    assert abs(clock.now() - time.time()) < 1
