"""Putting a report together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sluice.core.journal import Event, Happened
from sluice.core.moment import Moment
from sluice.core.record import Record
from sluice.core.report.attempt import Attempt, End
from sluice.core.report.criterion import criteria
from sluice.core.report.incident import Chapter, Incident, Item, incident
from sluice.core.report.lines import attempts
from sluice.core.report.report import Asked, Came, Known, Migrated, Next, Report
from sluice.core.report.word import clock, when
from sluice.core.rollback.block import data, release_id
from sluice.core.rollback.course import BACK
from sluice.core.settings.permission import without
from sluice.core.update import Update

# Runbook 001, "Post-Deployment Procedures": a retrospective "within 1 week".
RETROSPECTIVE = timedelta(days=7)
# Stack history has whole seconds, and an update begins soon after the command that asked for it.
SECOND, SOON = timedelta(seconds=1), timedelta(minutes=1)
HISTORY = "stack history"


def report(known: Known, release: str, now: datetime) -> Report:
    """Put together what is known of a release that the journal has."""
    events = [event for event in known.events if event.release == release]
    made = attempts(events, known.updates)
    tries = [one for one in made if not one.marks] or made
    last = tries[-1]
    record = next((one for one in known.records if one.id == release), None)
    left = _left(known, release, last)
    after, looks = _next(known, release, last), [one for one in made if one.marks and one is not last]
    skipped = record.skipped if record else {}
    came = _came(known, release, last, left)
    return Report(
        stack=known.stack,
        release=release,
        version=release.rpartition("-")[0],
        kind=record.kind if record else _kind(known, release),
        came=came,
        line=_line(known, release, came, last, left) + without(skipped),
        who=last.actor.text,
        job=last.actor.job,
        git=last.actor.git,
        begun=tries[0].begun,
        ended=last.ended,
        before=_before(known, release, last),
        services={name: built.name for name, built in record.services.items()} if record else _services(last),
        approvals=[one for one in known.approvals if one.release == release],
        skipped=skipped,
        attempts=tries,
        marks=looks,
        backups=_backups(events, record),
        migrations=_migrations(known, release),
        asked=_asked(known, release),
        next=after,
        incident=_incident(known, last, left, came),
        criteria=criteria(last, skipped, looks, known.due.get(release, ())),
        after=_after(last, came, made) if last.end is End.PROVEN else [],
        log=[event for event in events if event.event is not Happened.LOOKED],
        notes=[*known.notes, *_torn(known.skipped)],
        made=now,
    )


def _left(known: Known, release: str, last: Attempt) -> Event | None:
    """Return the command by which somebody went back from a release after that attempt. An abort leads to what is proven, never away."""
    words = (Moment.ROLLBACK,) if last.end is End.PROVEN else (Moment.ROLLBACK, Moment.ABORT)
    asked = [event for event in known.events if event.event is Happened.ASKED and event.moment in words and event.at >= last.begun]
    return next((event for event in asked if _leaves(event, release)), None)


def _leaves(event: Event, release: str) -> bool:
    """Say whether a command takes a release away; a database alone goes back within one."""
    return event.figures.get("failing", event.release) == release and (event.moment is not Moment.ROLLBACK or event.release != release)


def _gone(known: Known, release: str, last: Attempt) -> Update | None:
    """Return the update by which somebody went back from it: also where the command wrote nothing down."""
    back = [one for one in reversed(known.updates) if one.message.startswith(f"{BACK}{release} ")]
    return next((one for one in back if one.begun >= int(last.begun.timestamp())), None)


def _came(known: Known, release: str, last: Attempt, left: Event | None) -> Came:
    if last.end is not End.PROVEN:
        return Came(last.end.value)
    if left or _gone(known, release, last) or _older(known, last):
        return Came.BACK
    return Came.LIVE if known.records and known.records[0].id == release else Came.REPLACED


def _line(known: Known, release: str, came: Came, last: Attempt, left: Event | None) -> str:
    where = f" at '{last.moment}'" if last.moment else ""
    asked = f" at {when(left.at)}" if left else ""
    still = any(one.id == release for one in known.records[:1])
    gone = f"and going back from it, asked for{asked}, has not come to its end: it serves" if still else f"and gone back from{asked}"
    lines = {
        Came.LIVE: f"{release} is live and proven since {when(last.ended)}",
        Came.REPLACED: f"{release} was proven at {when(last.ended)}, and another release is live by now",
        Came.BACK: f"{release} was proven at {when(last.ended)}, {gone}",
        Came.FAILED: f"{release} failed{where}, {_serving(last)}",
        Came.REFUSED: f"{release} did not begin: nothing was touched",
        Came.INTERRUPTED: f"{release} was interrupted{where}, {_serving(last)}",
        Came.HELD: f"{release} was left at a step of its ladder at {when(_left_at(last))}: `sluice status` says what has become of it",
        Came.UNFINISHED: f"{release} has no end{where} in the journal",
    }
    return lines[came]


def _left_at(last: Attempt) -> datetime:
    """Return when the update ended; the keeper writes on after it."""
    return last.bars[-1].ended if last.bars else last.ended


def _serving(last: Attempt) -> str:
    if last.aborted:
        return f"and all traffic was back on what was live at {clock(last.aborted)}"
    return "while what was live served on" if not last.impact.weight else "see below for the traffic"


def _kind(known: Known, release: str) -> str:
    """Return the kind of a release that was not proven, from the config of its update."""
    texts = [one.release for one in known.updates if one.release and release_id(one.release) == release]
    config = data(texts[0]) if texts else {}
    return str(config.get("kind", "minor")) if isinstance(config, dict) else "minor"


def _before(known: Known, release: str, last: Attempt) -> str:
    """Return what was live when it began. A release that was gone back to has the time of that in its record: the journal knows better."""
    written = [event for event in known.events if event.moment is Moment.RECORD and event.event is Happened.PASSED]
    proven = [*((event.at, event.release) for event in written), *((one.at, one.id) for one in known.records)]
    return max((one for one in proven if one[0] < last.begun and one[1] != release), default=(None, ""))[1]


def _services(last: Attempt) -> dict[str, str]:
    return {side.service: side.version for look in last.looks for side in look.sides if side.side == "canary"}


def _backups(events: Sequence[Event], record: Record | None) -> dict[str, str]:
    told = [event.figures.get("backups") for event in events if event.moment is Moment.BACKUP and event.event is Happened.PASSED]
    made = [one for one in told if isinstance(one, dict)]
    return {**{str(name): str(id) for one in made for name, id in one.items()}, **(record.backups if record else {})}


def _migrations(known: Known, release: str) -> list[Migrated]:
    return [
        Migrated(database=name, name=row.name, phase=row.phase, state=row.state, way=row.way, seconds=row.seconds, error=row.error)
        for name, rows in known.rows.items()
        for row in rows
        if row.release == release
    ]


def _asked(known: Known, release: str) -> list[Asked]:
    """Return what people asked for of a release, or to get away from it; a rollback that only stack history knows is one too."""
    written = [
        Asked(at=event.at, who=event.actor.text, what=event.moment.value, why=event.text, came=_result(known.events, event))
        for event in known.events
        if event.event is Happened.ASKED and release in (event.release, event.figures.get("failing"))
    ]
    plain = [one for one in reversed(known.updates) if one.message.startswith(f"{BACK}{release} ")]
    told = [Asked(at=datetime.fromtimestamp(one.begun, UTC), who=HISTORY, what=Moment.ROLLBACK.value, why=one.message) for one in plain]
    return sorted([*written, *(one for one in told if not any(_same(one, other) for other in written))], key=lambda one: one.at)


def _result(events: Sequence[Event], asked: Event) -> str:
    """Return what came of what was asked, by the next line of its kind; a command that was killed has none, nor has most of them."""
    mine = [event for event in events if not event.run and event.moment is asked.moment]
    after = next(iter(mine[mine.index(asked) + 1 :]), None)
    if after is None or after.event is Happened.ASKED:
        return ""
    return f"{after.event.value}: {after.text}" if after.text else after.event.value


def _same(plain: Asked, written: Asked) -> bool:
    """Say whether an update is the one that a command asked for: it begins once the command has said so."""
    return written.what == plain.what and timedelta(0) <= plain.at - written.at + SECOND < SOON


def _later(known: Known, last: Attempt) -> list[tuple[str, Attempt]]:
    """Return what was tried after an attempt, each with its release."""
    events = [event for event in known.events if event.run not in ("", last.run) and event.at >= last.ended]
    releases = {event.run: event.release for event in events}
    return [(releases[one.run], one) for one in attempts(events, known.updates)]


def _older(known: Known, last: Attempt) -> bool:
    """Say whether what went through next had been brought out before: whoever did that by plain commands went back too."""
    before = {event.release for event in known.events if event.run and event.at < last.begun}
    return next((release in before for release, one in _later(known, last) if one.end is End.PROVEN and not one.marks), False)


def _next(known: Known, release: str, last: Attempt) -> Next | None:
    later = [(other, one) for other, one in _later(known, last) if other != release]
    return Next(release=later[0][0], at=later[0][1].begun, end=later[0][1].end.value, said=later[0][1].said) if later else None


def _incident(known: Known, last: Attempt, left: Event | None, came: Came) -> Incident | None:
    """Return the incident of a release that failed or was gone back from; one that never began, or was stopped by hand, is none."""
    if came not in (Came.FAILED, Came.BACK):
        return None
    returned = next((one for _, one in _later(known, last) if one.end is End.PROVEN and not one.marks), None)
    return incident(last, left=left, returned=returned, contacts=known.contacts)


def _after(last: Attempt, came: Came, made: Sequence[Attempt]) -> list[Chapter]:
    """Return what remains to be done after a release that went through (runbooks 001 and 002, after the deployment)."""
    told = [message for message in last.messages if message.to and not message.missed]
    marks = [one for one in made if one.marks and one.end is End.PROVEN]
    tables = [table for table in last.tables if table.passed]
    soon = [
        Item(text="All verification steps completed", done=True, note=f"{sum(len(one.verdicts) for one in tables)} checks passed"),
        Item(text="Deployment log updated", done=True, note="the journal, which this page is made of"),
        Item(text="Team told", done=bool(told), note=f"{', '.join(told[-1].to)}, {clock(told[-1].at)}" if told else ""),
        Item(text="Documentation and version numbers updated"),
    ]
    day = [
        Item(text="Looked at again", done=bool(marks), note=", ".join(clock(one.ended) for one in marks)),
        Item(text="No delayed errors; data as expected"),
        Item(text="Feedback of users collected"),
    ]
    week = [Item(text="Retrospective held"), Item(text="Lessons learned written down"), Item(text="Runbook updated")]
    return [
        Chapter(title="Now", within="within 1 hour", items=soon),
        Chapter(title="Tomorrow", within="within 24 hours", items=day),
        Chapter(title="Later", within=f"within 1 week: {when(last.ended + RETROSPECTIVE)}", items=week),
    ]


def _torn(skipped: int) -> list[str]:
    lines = f"{skipped} lines" if skipped > 1 else "a line"
    return [f"{lines} of the journal could not be read: torn by a kill, or from a newer Sluice"] if skipped else []
