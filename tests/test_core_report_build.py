"""The whole report of a release: what became of it, before and after it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from sluice.core.errors import Refused
from sluice.core.journal import Actor, Event, Happened
from sluice.core.migration.row import Row
from sluice.core.moment import Moment
from sluice.core.record import Record
from sluice.core.report.build import report
from sluice.core.report.report import Came, Known, Report, choose
from sluice.core.rollback.course import BACK
from sluice.core.settings.approval import Given
from sluice.core.update import Outcome, Update
from tests.fixtures.journal import ADA, NOON, RATE, Pen, back, bad, begun, good, row

GOOD, BAD, OLD = good()[0].release, bad()[0].release, back()[0].release
LATER = NOON + timedelta(days=1)


def record(id: str, at: datetime) -> Record:
    return Record(id=id, version=id.rpartition("-")[0], kind="patch", services={}, at=at)


def made(release: str, events: list[Event], **more: object) -> Report:
    return report(Known(stack="production", events=events, **more), release, LATER)  # type: ignore[arg-type]


def test_live():
    """A release that is live: who, when, what it replaced, what remains to be done, and until when."""
    records = [record(GOOD, NOON + timedelta(seconds=21)), record(OLD, NOON - timedelta(days=2))]
    approvals = [Given(release=GOOD, by="grace", role="manager", nonce="1"), Given(release="other", by="grace", role="manager", nonce="2")]
    one = made(GOOD, good(), records=records, approvals=approvals)
    assert (one.came, one.kind, one.who, one.git, one.before, one.incident) == (
        Came.LIVE,
        "patch",
        "ada on deploy-1",
        ADA.git,
        OLD,
        None,
    )
    assert one.line == f"{GOOD} is live and proven since 2026-11-24 12:00:21 UTC"
    assert [given.by for given in one.approvals] == ["grace"]
    assert one.backups == {"shop": "20261124-1200"}
    now, day, week = one.after
    assert [(item.done, item.note) for item in now.items] == [
        (True, "3 checks passed"),
        (True, "the journal, which this page is made of"),
        (True, "slack, 12:00:21"),
        (False, ""),
    ]
    assert not day.items[0].done
    assert week.within == "within 1 week: 2026-12-01 12:00:21 UTC"


def test_failed():
    """A release that failed: an incident, and which release came next."""
    one = made(BAD, [*good(), *bad(), *good("1.2.1-cc33", "next", NOON + timedelta(hours=3))], records=[record(GOOD, NOON)])
    assert (one.came, one.before, one.services) == (Came.FAILED, GOOD, {"content": "content@1.2.0-bb22"})
    assert one.line == f"{BAD} failed at 'canary', and all traffic was back on what was live at 13:00:11"
    assert one.incident
    assert one.incident.severity == "P1"
    assert one.next
    assert (one.next.release, one.next.end) == ("1.2.1-cc33", "proven")
    assert one.after == []


def test_gone_back_from():
    """A release that somebody went back from by the command: who, when, why, and it is an incident."""
    one = made(GOOD, [*good(), *back()], records=[record(OLD, NOON + timedelta(hours=2)), record(GOOD, NOON)])
    assert one.came is Came.BACK
    assert [(asked.who, asked.what, asked.why) for asked in one.asked] == [("ada on deploy-1", "rollback", "orders are lost")]
    assert one.incident
    assert (one.incident.severity, one.incident.why) == ("P0", "as ada said")
    assert one.next
    assert one.next.release == OLD


def test_a_way_back_that_did_not_come_to_its_end():
    """Where going back has failed, or still runs, the release has the traffic, and nobody reads that it was taken back."""
    asked = back()[0]
    one = made(GOOD, [*good(), asked], records=[record(GOOD, NOON)])
    way = "and going back from it, asked for at 2026-11-24 14:00:00 UTC, has not come to its end: it serves"
    assert (one.came, one.line) == (Came.BACK, f"{GOOD} was proven at 2026-11-24 12:00:21 UTC, {way}")
    assert one.incident
    done = {item.text: item.done for chapter in one.incident.chapters for item in chapter.items}
    assert (done["Decided whether to go back"], done["Traffic taken back"]) == (True, False)
    over = made(GOOD, [*good(), *back()], records=[record(OLD, NOON)])
    assert over.line == f"{GOOD} was proven at 2026-11-24 12:00:21 UTC, and gone back from at 2026-11-24 14:00:00 UTC"
    assert over.incident
    assert over.incident.chapters[3].items[0].done


def test_before_it():
    """What was live before is told also once that is live again, under a newer time."""
    old = good(OLD, "old", NOON - timedelta(days=1))
    records = [record(OLD, NOON + timedelta(hours=2)), record(GOOD, NOON)]
    assert made(GOOD, [*old, *good(), *back()], records=records).before == OLD
    assert made(GOOD, [*good(), *back()], records=[record("0.9-x", NOON - timedelta(days=2)), *records]).before == "0.9-x"
    assert made(GOOD, good()).before == ""


def test_gone_back_from_by_plain_commands():
    """Where the command wrote nothing down, the message of the update says it."""
    at = int((NOON + timedelta(hours=2)).timestamp())
    update = Update(kind="update", outcome=Outcome.SUCCEEDED, begun=at, ended=at + 9, message=f"{BACK}{GOOD} to {OLD}")
    plain = made(GOOD, good(), updates=[update], records=[record(OLD, NOON)])
    assert plain.came is Came.BACK
    assert [(asked.who, asked.why) for asked in plain.asked] == [("stack history", f"{BACK}{GOOD} to {OLD}")]
    assert [asked.who for asked in made(GOOD, [*good(), *back()], updates=[update]).asked] == ["ada on deploy-1"]
    assert made(GOOD, good(), records=[record(OLD, NOON)]).came is Came.REPLACED


def test_a_database_alone():
    """A rollback that stays within the release, of a database alone, does not take it away."""
    one = back(GOOD)[0].model_copy(update={"release": GOOD})
    assert made(GOOD, [*good(), one], records=[record(GOOD, NOON)]).came is Came.LIVE


def test_an_abort_of_what_is_proven():
    """An abort takes traffic to what is proven: a live release is not gone back from by it, and it is no incident."""
    asked = Pen(GOOD, "", NOON + timedelta(hours=3)).write(Moment.ABORT, Happened.ASKED, 0.0, "to be sure")
    one = made(GOOD, [*good(), *asked.events], records=[record(GOOD, NOON)])
    assert (one.came, one.incident) == (Came.LIVE, None)
    assert [(each.what, each.why) for each in one.asked] == [("abort", "to be sure")]


def test_an_older_release_again():
    """A release after which one comes in that had been there before was gone back from, whatever anybody said."""
    old, again = good(OLD, "old", NOON - timedelta(days=1)), good(OLD, "again", NOON + timedelta(hours=3))
    # Without the message at its end, so that the last line of all is the record's.
    assert made(GOOD, [*old, *good()[:-1], *bad(), *again], records=[record(OLD, NOON)]).came is Came.BACK
    assert made(GOOD, [*good(), *bad(), *good("1.2.1-cc33", "next", NOON + timedelta(hours=3))]).came is Came.REPLACED


@pytest.mark.parametrize(("text", "came"), [("Refused: no", Came.REFUSED), ("Interrupted: told to stop", Came.INTERRUPTED)])
def test_no_incident(text: str, came: Came):
    """What never began, and what somebody stopped by hand, is no incident."""
    pen = Pen("1-a", "r", NOON).write(Moment.PREFLIGHT, Happened.BEGAN).write(Moment.PREFLIGHT, Happened.FAILED, 1, text)
    one = made("1-a", pen.events)
    assert (one.came, one.incident, one.after) == (came, None, [])


def test_held():
    """A release that is held is no incident, and the page says where to look."""
    pen = Pen("1-a", "r", NOON).write(Moment.CANARY, Happened.BEGAN).write(Moment.CANARY, Happened.PASSED, 9, held={"weight": 10})
    one = made("1-a", pen.events)
    assert (one.came, one.incident) == (Came.HELD, None)
    assert one.line == "1-a was left at a step of its ladder at 2026-11-24 12:00:09 UTC: `sluice status` says what has become of it"


def test_repaired():
    """A repair is told with what came of it, and takes nothing from the release; one that was killed has no end."""
    pen = Pen(GOOD, "", NOON + timedelta(hours=1))
    pen.write(Moment.REPAIR, Happened.ASKED, 0, "rows of users").write(Moment.REPAIR, Happened.FAILED, 9, "in flight")
    pen.write(Moment.REPAIR, Happened.ASKED, 9, "rows of users").write(Moment.ABORT, Happened.ASKED, 0, "")
    pen.write(Moment.REPAIR, Happened.ASKED, 9, "rows of users").write(Moment.REPAIR, Happened.PASSED, 9, "3 rows")
    one = made(GOOD, [*good(), *pen.events], records=[record(GOOD, NOON)])
    told = [(asked.what, asked.came) for asked in one.asked]
    assert told == [("repair", "failed: in flight"), ("repair", ""), ("abort", ""), ("repair", "passed: 3 rows")]


def test_taken_back_while_held():
    """What the keeper has judged while a release was held is told with it: still held, gone bad, which is an incident, or back because
    its time was over or its deployer had died, which is none."""

    def keeper(pen: Pen, outcome: str) -> Pen:
        pen.actor = Actor(user="keeper", host="deploy-1")
        pen.look(10, (40, 0, 0.02), (360, 0, 0.02), 60)
        if outcome:
            pen.rule(Moment.CANARY, row("content: error rate", outcome, "", "<= 5.0 %", **RATE), step=10)
            pen.write(Moment.CANARY, Happened.SHIFTED, 0, "0 %", weight=0).write(
                Moment.CANARY, Happened.ABORTED, 0, f"it {outcome}", weight=0
            )
        return pen

    def held(outcome: str) -> Report:
        pen = begun(Pen("1-a", "r", NOON)).write(Moment.CANARY, Happened.SHIFTED, 1, weight=10)
        return made("1-a", keeper(pen.write(Moment.CANARY, Happened.PASSED, 9, held={"weight": 10}), outcome).events)

    assert (held("").came, held("").last.impact.requests) == (Came.HELD, 40)
    assert held("").line == "1-a was left at a step of its ladder at 2026-11-24 12:00:19 UTC: `sluice status` says what has become of it"
    bad, over = held("failed"), held("passed")
    back = "at 'canary', and all traffic was back on what was live at 12:01:19"
    assert (bad.came, bad.line, bad.last.why) == (Came.FAILED, f"1-a failed {back}", "it failed")
    assert bad.incident
    assert (over.came, over.line, over.incident) == (Came.INTERRUPTED, f"1-a was interrupted {back}", None)
    dead = made("1-a", keeper(begun(Pen("1-a", "r", NOON)).write(Moment.CANARY, Happened.SHIFTED, 1, weight=10), "passed").events)
    assert (dead.came, dead.incident, dead.last.bars[-1].state) == (Came.INTERRUPTED, None, "open")


def test_attempts_and_marks():
    """All attempts are told, the last one counts; looks at the live release are beside them."""
    marks = Pen(BAD, "m", NOON + timedelta(hours=4)).step(Moment.MARK, 60)
    one = made(BAD, [*bad(), *good(BAD, "again", NOON + timedelta(hours=2)), *marks.events], records=[record(BAD, NOON)])
    assert [attempt.end for attempt in one.attempts] == ["failed", "proven"]
    assert (one.came, len(one.marks), one.after[1].items[0].done) == (Came.LIVE, 1, True)
    assert one.begun == bad()[0].at


def test_migrations():
    """Each migration that the release ran, with what the database's history says of it."""
    row = Row(
        id="0002", name="0002_index", sha256="", phase="expand", way="reversible", state="applied", total=1, done=1, up="x", down="y",
        release=GOOD, seconds=0.31,
    )  # fmt: skip
    one = made(GOOD, good(), rows={"shop": [row, row.model_copy(update={"release": "other"})]})
    assert [(each.database, each.name, each.state, each.way) for each in one.migrations] == [
        ("shop", "0002_index", "applied", "reversible")
    ]


def test_kind_of_what_was_not_proven():
    """The kind of a release without a record comes from its config in history."""
    from sluice.core.rollback.block import release_id

    text = json.dumps({"version": "2.0.0", "kind": "hotfix"})
    id = release_id(text) or ""
    for written in (text, json.dumps(text)):  # as a map, and as somebody set it: as a text
        update = Update(kind="update", outcome=Outcome.FAILED, begun=0, ended=1, release=written)
        assert made(id, bad(id), updates=[update]).kind == "hotfix"


def test_choose():
    """Without a word the newest attempt; an id, or a version, of which the newest counts; anything else is refused with what is known."""
    known = Known(stack="production", events=[*good(), *bad(), *back()])
    assert (choose(known, None), choose(known, "1.2.0"), choose(known, GOOD)) == (OLD, BAD, GOOD)
    with pytest.raises(Refused) as caught:
        choose(known, "9")
    assert str(caught.value) == f"'9' is not in the journal of 'production': known are {OLD}, {BAD}, {GOOD}"
    with pytest.raises(Refused, match=f"^'' is not in the journal of 'production': known are {OLD}"):
        choose(known, "")
    with pytest.raises(Refused, match=r"^the journal of 'production' has no release yet: it begins with the next one$"):
        choose(Known(stack="production", events=[]), None)


def test_torn():
    """Lines that could not be read are said to be missing."""
    assert made(GOOD, good(), skipped=2).notes == ["2 lines of the journal could not be read: torn by a kill, or from a newer Sluice"]


def test_wire():
    """A report is data: what is drawn is in it as figures."""
    wire = made(BAD, bad()).wire()
    assert json.loads(json.dumps(wire)) == wire
    assert wire["attempts"][0]["looks"][0]["sides"][0]["requests"] == 12
