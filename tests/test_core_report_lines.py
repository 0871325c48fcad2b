"""One attempt, put together from its lines."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sluice.core.journal import Event, Happened
from sluice.core.moment import Moment
from sluice.core.report.attempt import Attempt, End, Impact, State
from sluice.core.report.build import report
from sluice.core.report.lines import attempts
from sluice.core.report.report import Known
from sluice.core.update import Outcome, Update
from tests.fixtures.journal import CONTACTS, ERROR, NOON, WHY, Pen, bad, begun, good


def one(events: list[Event], *updates: Update) -> Attempt:
    (made,) = attempts(events, updates)
    return made


def update(outcome: Outcome, message: str = "") -> Update:
    at = int(NOON.timestamp())
    return Update(kind="update", outcome=outcome, begun=at - 1, ended=at + 60, message=message)


def test_good():
    """A good attempt has all its steps in order, what lies between them as the start of the versions, and each step's verdicts."""
    made = one(good(), update(Outcome.SUCCEEDED, "ship it"))
    assert (made.end, made.why, made.moment, made.said) == (End.PROVEN, "", None, "ship it")
    assert [bar.moment.value for bar in made.bars] == [
        "preflight", "preflight", "backup", "expand", "deploy", "health", "smoke", "canary", "smoke", "settle", "record",
    ]  # fmt: skip
    deploy = next(bar for bar in made.bars if bar.moment is Moment.DEPLOY)
    assert (deploy.state, deploy.seconds) == (State.BETWEEN, pytest.approx(2.5))
    assert [(table.moment.value, table.step, table.passed) for table in made.tables] == [
        ("health", None, True), ("canary", 10, True), ("canary", 100, True),
    ]  # fmt: skip
    assert made.impact == Impact(requests=550, errors=0, others=460, weight=100, seconds=12.1)
    assert made.came["expand"] == ["shop: 0002_index"]
    assert [message.to for message in made.messages] == [["slack"]]


def test_failed():
    """A failed attempt says where and why, when traffic was back, and what users met."""
    made = one(bad())
    assert (made.end, made.moment, made.why) == (End.FAILED, Moment.CANARY, WHY)
    assert made.aborted is not None
    assert made.aborted - made.shifts[0].at == timedelta(seconds=2.02)
    assert made.impact == Impact(requests=25, errors=3, others=218, weight=10, seconds=2.02)
    assert [contact.name for contact in made.contacts] == [contact["name"] for contact in CONTACTS]
    assert made.bars[-1].state is State.FAILED
    assert (made.tables[-1].passed, made.tables[-1].tally) == (False, "1 failed")
    assert (made.tables[-1].verdicts[0].limit, made.tables[-1].verdicts[0].observed) == (0.05, "12.0 % (3 of 25)")
    assert made.messages[0].missed == ["discord webhook not told, 2 tries: status 500"]


@pytest.mark.parametrize(("text", "end"), [("Refused: no", End.REFUSED), ("Interrupted: told", End.INTERRUPTED), ("Odd: x", End.FAILED)])
def test_kinds_of_failure(text: str, end: End):
    """What never began, and what somebody stopped, is told from what failed."""
    pen = Pen("1-a", "r", NOON).write(Moment.PREFLIGHT, Happened.BEGAN).write(Moment.PREFLIGHT, Happened.FAILED, 1, text)
    assert (one(pen.events).end, one(pen.events).moment) == (end, Moment.PREFLIGHT)


def test_a_version_that_did_not_start():
    """When no step failed and the update did, it was what lies between two steps."""
    pen = Pen("1-a", "r", NOON).step(Moment.PREFLIGHT, 1).step(Moment.EXPAND, 1)
    made = one(pen.events, update(Outcome.FAILED))
    assert (made.end, made.moment) == (End.FAILED, Moment.DEPLOY)
    assert made.why.startswith("a resource between two steps failed")
    assert (made.bars[-1].moment, made.bars[-1].state) == (Moment.DEPLOY, State.FAILED)


def test_killed():
    """A step without an end was killed, or still runs."""
    pen = begun(Pen("1-a", "r", NOON)).write(Moment.CANARY, Happened.SHIFTED, 1, weight=10)
    made = one(pen.events)
    assert (made.end, made.moment, made.bars[-1].state) == (End.UNFINISHED, Moment.CANARY, State.OPEN)
    assert made.why == "no end was written down in 'canary': the update was killed, or still runs"


def test_held():
    """An update that ended on the way, as it was told to, is neither proven nor cut short."""
    pen = begun(Pen("1-a", "r", NOON)).write(Moment.CANARY, Happened.SHIFTED, 1, weight=10)
    pen.write(Moment.CANARY, Happened.PASSED, 9, steps=["10 %: 50 requests"], held={"release": "1-a", "weight": 10})
    assert (one(pen.events).end, one(pen.events).why) == (End.HELD, "")


def test_several():
    """Each update is an attempt; what a command says is none; looks at a live release are marks."""
    marks = Pen(good()[0].release, "m", NOON + timedelta(hours=1)).step(Moment.MARK, 60)
    asked = Pen(good()[0].release, "", NOON).write(Moment.ABORT, Happened.ASKED)
    made = attempts([*good(run="r1"), *asked.events, *good(run="r2", at=NOON + timedelta(minutes=9)), *marks.events], [])
    assert [(attempt.run, attempt.end, attempt.marks) for attempt in made] == [
        ("r1", End.PROVEN, False), ("r2", End.PROVEN, False), ("m", End.PROVEN, True),
    ]  # fmt: skip


def test_another_shape():
    """Figures in a shape that is not known are left out, and nothing else."""
    pen = Pen("1-a", "r", NOON).write(Moment.CANARY, Happened.BEGAN)
    pen.write(Moment.CANARY, Happened.LOOKED, 1, sides="many").write(Moment.CANARY, Happened.JUDGED, 1, verdicts=[{"check": 1}, "odd"])
    pen.write(Moment.CANARY, Happened.FAILED, 1, ERROR, contacts=[{"nam": "Ada"}])
    made = one(pen.events)
    assert (made.looks, made.tables[0].verdicts, made.contacts, made.end) == ([], [], [], End.FAILED)


@pytest.mark.parametrize("other", [None, "x", 3, ["x"], {"a": None}])
def test_figures_in_another_shape(other: object):
    """Whatever a figure has become, the rest of the journal makes a report."""
    for lines in (good(), bad()):
        for number, event in enumerate(lines):
            for name in event.figures:
                changed = event.model_copy(update={"figures": {**event.figures, name: other}})
                known = [*lines[:number], changed, *lines[number + 1 :]]
                assert report(Known(stack="production", events=known), event.release, NOON).last.run == event.run
