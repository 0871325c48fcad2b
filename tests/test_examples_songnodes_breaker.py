"""The circuit breaker of songnodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from songnodes.breaker import Breaker, Open


class Clock:
    """Time that is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def heard() -> list[str]:
    return []


@pytest.fixture
def breaker(clock: Clock, heard: list[str]) -> Breaker:
    return Breaker("spotify", clock=clock, told=lambda name, state, why: heard.append(f"{name} {state} {why}".strip()))


def fails() -> Any:
    raise OSError("refused")


def tried(breaker: Breaker, work: Callable[[], Any] = fails) -> str:
    """Call, and say what came of it."""
    try:
        return str(breaker.call(work))
    except (OSError, Open) as error:
        return str(error)


def test_opens(breaker: Breaker, heard: list[str]):
    """Three failures in a row open it, and then nobody is called."""
    assert [tried(breaker) for _ in range(4)] == ["refused"] * 3 + ["the breaker of spotify is open: refused"]
    assert breaker.shown == {"state": "open", "failures": 3, "resets_in_s": 30.0, "why": "refused"}
    assert heard == ["spotify open refused"]


def test_in_a_row(breaker: Breaker):
    """A call that works in between begins the count anew."""
    assert [tried(breaker), tried(breaker), tried(breaker, lambda: "fine"), tried(breaker), tried(breaker)][2] == "fine"
    assert breaker.shown == {"state": "closed", "failures": 2, "resets_in_s": 0.0, "why": ""}


def test_closes(breaker: Breaker, clock: Clock, heard: list[str]):
    """After its pause one call tries; it works, and all is as it was."""
    for _ in range(3):
        tried(breaker)
    clock.now = 29.9
    assert (breaker.due, tried(breaker, lambda: "fine")) == (False, "the breaker of spotify is open: refused")
    clock.now = 30
    assert (breaker.due, tried(breaker, lambda: "fine")) == (True, "fine")
    assert (breaker.state, breaker.failures, breaker.pause) == ("closed", 0, 30)
    assert heard == ["spotify open refused", "spotify half_open refused", "spotify closed"]


def test_one_tries(breaker: Breaker, clock: Clock):
    """While one call tries nobody else does."""
    for _ in range(3):
        tried(breaker)
    clock.now = 30
    assert tried(breaker, lambda: tried(breaker, lambda: "fine")) == "the breaker of spotify is half_open: refused"


def test_pauses(breaker: Breaker, clock: Clock):
    """Each try that fails doubles the pause, up to five minutes."""
    for _ in range(3):
        tried(breaker)
    pauses = []
    for _ in range(6):
        clock.now += breaker.pause
        tried(breaker)
        pauses.append(breaker.pause)
    assert pauses == [60, 120, 240, 300, 300, 300]
