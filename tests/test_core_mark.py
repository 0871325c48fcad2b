"""Which marks a release has passed, and which are due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sluice.core.mark import Standing, limits, story, strictest
from sluice.core.record import Record
from sluice.core.settings import Rollout
from sluice.core.settings.mark import Mark

NOON = datetime(2025, 11, 27, 12, tzinfo=UTC)
MARKS = Rollout().marks
RECORD = Record(id="1-aa", version="1", kind="minor", services={}, at=NOON)
PASSED = {"30m": NOON + timedelta(minutes=31)}


def standing(**more: Any) -> Standing:
    return Standing(release="1-aa", since=NOON, marks=MARKS, **more)


def names(marks: list[Mark]) -> list[str]:
    return [mark.name for mark in marks]


def due(minutes: float, **more: Any) -> list[str]:
    return names(standing(**more).due(NOON + timedelta(minutes=minutes)))


def test_defaults():
    """Without a word in config the marks are the runbook's: 30 minutes, 1 hour with the smoke tests, and a day; 1 % and 2 s."""
    assert [(mark.after, mark.smoke) for mark in MARKS] == [(1800, False), (3600, True), (86400, False)]
    assert {(mark.error_rate, mark.latency) for mark in MARKS} == {(0.01, 2)}


def test_due():
    """A mark is due from its time on, until it is passed; nobody's passing makes another one due."""
    assert due(29.99) == []
    assert due(30) == ["30m"]
    assert due(59, passed=PASSED) == []
    assert due(60, passed=PASSED) == ["1h"]
    assert due(1440) == ["30m", "1h", "1d"]


def test_shown():
    """Outputs say when each mark comes due, so that they need not be renewed for it, and which one is next."""
    assert standing(passed=PASSED).shown == {
        "release": "1-aa",
        "since": "2025-11-27T12:00:00Z",
        "due": [{"name": "1h", "due_at": "2025-11-27T13:00:00Z"}, {"name": "1d", "due_at": "2025-11-28T12:00:00Z"}],
        "next": {"name": "1h", "due_at": "2025-11-27T13:00:00Z"},
        "passed": {"30m": "2025-11-27T12:31:00Z"},
    }


def test_shown_when_all_are_passed():
    """After the last mark there is no next one."""
    done = standing(passed=dict.fromkeys(("30m", "1h", "1d"), NOON)).shown
    assert (done["due"], "next" in done) == ([], False)


def test_read():
    """What outputs say is read again as it was."""
    told = standing(passed=PASSED)
    assert Standing.of(RECORD, MARKS, told.shown) == told
    assert Standing.of(RECORD, MARKS, None) == standing()


def test_of_another_release():
    """Marks belong to one release at one time: those of another one, or of the same one before it came back, count for nothing."""
    shown = standing(passed=PASSED).shown
    for other in (RECORD.model_copy(update={"id": "2-bb"}), RECORD.model_copy(update={"at": NOON + timedelta(days=1)})):
        assert Standing.of(other, MARKS, shown).passed == {}


def test_changed_settings():
    """A mark that config forgets is not asked for, and one that it adds is; what was passed stays told."""
    one = Standing.of(RECORD, [Mark(after=60)], standing(passed=PASSED).shown)
    assert names(one.due(NOON + timedelta(hours=1))) == ["1m"]
    assert one.shown["passed"] == {"30m": "2025-11-27T12:31:00Z"}


def test_strictest():
    """Marks that are late are passed together, by the strictest that any of them wants."""
    early = Mark(after=60, error_rate=0.02, latency=1, window=30, smoke=True)
    late = Mark(after=120, error_rate=0.01, latency=2, window=60)
    assert strictest([early, late]) == Mark(after=120, error_rate=0.01, latency=1, window=60, smoke=True)


def test_limits():
    """A mark has its own limits for errors and latency, the canary's for the machine, and none that compares with another version."""
    rollout = Rollout.read({"checks": {"cpu": {"off": True}, "latency": {"quantile": 0.99}}})
    found = limits(MARKS[0], rollout.thresholds)
    assert {name: one.max for name, one in found.items()} == {"error_rate": 0.01, "latency": 2, "connections": 0.8, "memory": 0.85}
    assert (found["error_rate"].severity, found["latency"].quantile) == ("P1", 0.99)


def test_story():
    """People are told what is due, since when, and what it wants."""
    assert story(standing(), NOON) == ""
    assert story(standing(), NOON + timedelta(minutes=61)) == (
        "marks of 1-aa that are due: 30m (since 2025-11-27T12:30:00Z), 1h (since 2025-11-27T13:00:00Z): "
        "errors at most 1.0 %, latency at most 2.00 s over 1m, smoke tests"
    )
