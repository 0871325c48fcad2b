"""Waiting, with a clock that moves only when somebody waits."""

from __future__ import annotations

import pytest

from sluice.core.clock import ManualClock
from sluice.core.wait import until


def test_enough_at_once():
    """An answer that is enough at once costs no time."""
    clock = ManualClock(0)
    assert until(lambda: "yes", lambda answer: answer == "yes", clock=clock, deadline=30) == "yes"
    assert clock.now() == 0


def test_enough_later():
    """It asks every `poll` seconds and stops at the first answer that is enough."""
    clock, asked = ManualClock(0), []
    until(lambda: asked.append(clock.now()), lambda _: len(asked) == 4, clock=clock, deadline=30, poll=2)
    assert asked == [0, 2, 4, 6]


def test_deadline():
    """The last question is put at the deadline itself, even off the beat, and its answer is returned."""
    clock, asked = ManualClock(0), []

    def ask() -> int:
        asked.append(clock.now())
        return len(asked)

    assert until(ask, lambda _: False, clock=clock, deadline=5, poll=2) == 4
    assert asked == [0, 2, 4, 5]


def test_no_time():
    """A deadline of 0 asks once."""
    asked = []
    until(lambda: asked.append(1), lambda _: False, clock=ManualClock(), deadline=0)
    assert asked == [1]


def test_slow_answer():
    """An answer that takes longer than the beat is followed by the next question at once, and none is put after the deadline."""
    clock, asked = ManualClock(0), []

    def ask() -> None:
        asked.append(clock.now())
        clock.wait(4)

    until(ask, lambda _: False, clock=clock, deadline=10, poll=1)
    assert asked == [0, 4, 8]


def test_interrupted():
    """What the clock raises ends the wait."""

    class Alarm(ManualClock):
        def wait(self, seconds: float) -> None:
            raise InterruptedError("told to stop")

    with pytest.raises(InterruptedError, match="told to stop"):
        until(lambda: 0, lambda _: False, clock=Alarm(), deadline=10)


@pytest.mark.parametrize("jump", [3600, -3600])
def test_the_clock_is_set(jump: float) -> None:
    """Whoever sets the machine's clock neither ends a wait nor makes it longer."""
    clock, asked = ManualClock(), []

    def ask() -> None:
        asked.append(clock.steady())
        clock.jump(jump)

    until(ask, lambda _: False, clock=clock, deadline=10, poll=5)
    assert asked == [0, 5, 10]
