"""Waiting: ask again until the answer is enough, or time is up. Pure: asking and time are passed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sluice.core.clock import Clock

Answer = TypeVar("Answer")

# Short enough that a gate opens about when its service is ready, long enough that asking is no load.
POLL = 1.0


def until(
    ask: Callable[[], Answer],
    enough: Callable[[Answer], bool],
    *,
    clock: Clock,
    deadline: float,
    poll: float = POLL,
) -> Answer:
    """Ask at once and then every `poll` seconds; return the first answer that is enough, else the last one.

    `deadline` in seconds from now. The last question is put at the deadline itself, unless one is still being answered then:
    a deadline of 0 asks once, and an answer that takes long may come late. Whatever `ask` and the clock raise ends the wait;
    whoever sets the machine's clock does not.
    """
    end = clock.steady() + deadline
    while True:
        asked = clock.steady()
        answer = ask()
        if enough(answer) or clock.steady() >= end:
            return answer
        clock.wait(min(asked + poll, end) - clock.steady())
