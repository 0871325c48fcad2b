"""Deadlines: how much time is left, told in fifteen parts, and when it is over."""

from __future__ import annotations

from sluice.core.rollback.deadline import Deadline
from sluice.core.rollback.symptom import Severity


def test_left():
    """Of 15 minutes each is another part; then it is late, and stays so."""
    deadline = Deadline.of(Severity.P1, 100.0)
    assert deadline
    assert [deadline.part(at) for at in (100, 159, 161, 999)] == [0, 0, 1, 14]
    assert (deadline.left(100), deadline.left(190.4)) == ("P1: 15m of 15m left", "P1: 13m30s of 15m left")
    assert (deadline.late(1000), deadline.late(1000.1)) == (False, True)
    assert deadline.left(2000) == "P1: it has taken longer than 15m"


def test_none():
    """What waits for the next release has no deadline, and neither has a wish."""
    assert Deadline.of(Severity.P3, 0) is None
    assert Deadline.of(None, 0) is None
    assert [Deadline.of(one, 0).within for one in (Severity.P0, Severity.P2)] == [180, 3600]  # type: ignore[union-attr]
