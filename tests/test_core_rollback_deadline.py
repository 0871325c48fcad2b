"""Deadlines: how much time is left, told in fifteen parts, and when it is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sluice.core.journal import Actor, Event
from sluice.core.record import Record
from sluice.core.rollback.deadline import Deadline, due
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


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def event(release: str, minutes: float, **more: Any) -> Event:
    facts = {"at": NOON + timedelta(minutes=minutes), "stack": "s", "moment": "rollback", "event": "asked", "figures": {"level": "P1"}}
    return Event.read({**facts, "release": release, "actor": Actor(user="ada", host="h"), **more})


def live(id: str, minutes: float = 0) -> Record:
    at = NOON + timedelta(minutes=minutes)
    return Record.read({"id": id, "version": "1", "kind": "minor", "services": {}, "at": at})


def test_due():
    """A way back that was asked for is due from then on, whoever looks, also when its update has failed or was tried again meanwhile."""
    asked = [event("1.0-a", 3, figures={"level": "P0"}), event("1.0-a", 5), event("1.0-a", 6, moment="canary", event="failed")]
    assert due(asked, "1.0-a", live("1.1-b")) == Deadline(severity=Severity.P1, within=900, begun=(NOON + timedelta(minutes=5)).timestamp())


@pytest.mark.parametrize(
    ("events", "configured", "now"),
    [
        ([], "1.0-a", live("1.1-b")),
        ([event("1.0-a", 5)], "1.0-a", live("1.0-a", 7)),
        ([event("1.0-a", 5)], "1.2-c", live("1.1-b")),
        ([event("1.0-a", 5)], "1.0-a", live("1.1-b", 7)),
        ([event("1.0-a", 5)], "1.0-a", None),
        ([event("1.0-a", 5, figures={})], "1.0-a", live("1.1-b")),
        ([event("1.0-a", 5, figures={"level": "P3"})], "1.0-a", live("1.1-b")),
        ([event("1.0-a", 5, moment="abort")], "1.0-a", live("1.1-b")),
    ],
    ids=[
        "never asked",
        "over",
        "given up",
        "another was proven since",
        "nothing is proven",
        "no severity",
        "all the time there is",
        "abort",
    ],
)
def test_nothing_due(events: list[Event], configured: str, now: Record | None):
    """What is over, given up or without a deadline is not due."""
    assert due(events, configured, now) is None
