"""From the lines of a journal to the attempts at a release: all lines that one update left are one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from sluice.core.contact import Contact
from sluice.core.journal import Event, Happened
from sluice.core.moment import Moment
from sluice.core.report.attempt import Attempt, Bar, End, Impact, Look, Message, Ruling, Shift, State, Table
from sluice.core.update import Outcome, Update

# What comes before the versions start, and the first step after it.
BEFORE, AFTER = (Moment.PREFLIGHT, Moment.BACKUP, Moment.EXPAND), Moment.HEALTH
REFUSED, INTERRUPTED = "Refused: ", "Interrupted: "


def attempts(events: Sequence[Event], updates: Sequence[Update]) -> list[Attempt]:
    """Return the attempts at one release, in order of time; commands, which are part of no update, are none."""
    runs = list(dict.fromkeys(event.run for event in events if event.run))
    return [_attempt([event for event in events if event.run == run], updates) for run in runs]


def _attempt(events: list[Event], updates: Sequence[Update]) -> Attempt:
    update = next((one for one in updates if one.deploys and one.begun <= int(events[0].at.timestamp()) <= one.ended), None)
    bars = list(_bars(events))
    failed = next((event for event in events if event.event is Happened.FAILED), None)
    back = next((event for event in events if event.event is Happened.ABORTED), None)
    end, moment = _end(events, failed, back, update, bars)
    shifts, looks = list(_shifts(events)), list(_looks(events))
    ended = max(events[-1].at, bars[-1].ended if bars else events[-1].at)
    return Attempt(
        run=events[0].run,
        begun=events[0].at,
        ended=ended,
        end=end,
        actor=events[0].actor,
        moment=moment,
        why=failed.text if failed else back.text if back else _unsaid(end, moment),
        said=update.message if update else "",
        marks=all(event.moment is Moment.MARK for event in events),
        bars=_between(bars, end, ended),
        tables=list(_tables(events)),
        looks=looks,
        shifts=shifts,
        aborted=back.at if back else None,
        messages=list(_messages(events)),
        contacts=list(_contacts(failed)),
        impact=_impact(looks, shifts, ended),
        came={event.moment.value: _lines(event.figures) for event in events if event.event is Happened.PASSED and _lines(event.figures)},
    )


def _end(
    events: list[Event], failed: Event | None, back: Event | None, update: Update | None, bars: list[Bar]
) -> tuple[End, Moment | None]:
    if failed:
        told = {REFUSED: End.REFUSED, INTERRUPTED: End.INTERRUPTED}
        return next((end for word, end in told.items() if failed.text.startswith(word)), End.FAILED), failed.moment
    passed = {event.moment for event in events if event.event is Happened.PASSED}
    if Moment.RECORD in passed or passed == {Moment.MARK}:
        return End.PROVEN, None
    if back:
        # By the keeper: nobody else takes traffic back, and fails at nothing.
        return (End.FAILED if _bad(events) else End.INTERRUPTED), back.moment
    if any(event.event is Happened.PASSED and event.figures.get("held") for event in events):
        return End.HELD, Moment.CANARY
    if update and update.outcome is Outcome.FAILED and all(bar.state is State.PASSED for bar in bars):
        # No step of ours failed: what lies between them did.
        return End.FAILED, Moment.DEPLOY
    return End.UNFINISHED, next((bar.moment for bar in bars if bar.state is State.OPEN), None)


def _bad(events: list[Event]) -> bool:
    """Say whether the last verdicts were against the new version."""
    rows: list[Mapping[str, Any]] = next((one.figures.get("verdicts", []) for one in reversed(events) if one.event is Happened.JUDGED), [])
    return any(row.get("outcome") == "failed" for row in rows)


def _unsaid(end: End, moment: Moment | None) -> str:
    if end is End.FAILED:
        return "a resource between two steps failed, most likely a version that did not start: the output of `pulumi up` has the reason"
    where = f" in '{moment}'" if moment else ""
    return f"no end was written down{where}: the update was killed, or still runs" if end is End.UNFINISHED else ""


def _bars(events: list[Event]) -> Iterator[Bar]:
    """Yield the steps in the order of their ends; those without one last."""
    open_: dict[Moment, list[datetime]] = {}
    for event in events:
        begun = open_.setdefault(event.moment, [])
        if event.event is Happened.BEGAN:
            begun.append(event.at)
        elif event.event in (Happened.PASSED, Happened.FAILED) and begun:
            yield Bar(moment=event.moment, begun=begun.pop(0), ended=event.at, state=State(event.event.value))
    for moment, left in open_.items():
        yield from (Bar(moment=moment, begun=at, ended=max(at, events[-1].at), state=State.OPEN) for at in left)


def _between(bars: list[Bar], end: End, ended: datetime) -> list[Bar]:
    """Return all bars in order of time, with the one that no step writes: the new versions start after the schema has grown."""
    ordered = sorted(bars, key=lambda bar: bar.begun)
    after = next((bar.begun for bar in ordered if bar.moment is AFTER), None)
    before = [bar.ended for bar in ordered if bar.moment in BEFORE and bar.state is State.PASSED]
    failed = end is End.FAILED and after is None and all(bar.state is State.PASSED for bar in ordered)
    if not before or (after is None and not failed):
        return ordered
    state = State.FAILED if failed else State.BETWEEN
    deploy = Bar(moment=Moment.DEPLOY, begun=max(before), ended=max(after or ended, *before), state=state)
    return sorted([*ordered, deploy], key=lambda bar: bar.begun)


def _tables(events: list[Event]) -> Iterator[Table]:
    for event in events:
        if event.event is Happened.JUDGED:
            rows, step = [_ruling(one) for one in _list(event.figures, "verdicts")], event.figures.get("step")
            known = step if isinstance(step, int) else None
            yield Table(at=event.at, moment=event.moment, step=known, verdicts=[row for row in rows if row])


def _list(figures: Mapping[str, Any], name: str) -> list[Any]:
    """Return a list of an event's figures; nothing of one that a newer Sluice keeps in another shape."""
    found = figures.get(name)
    return found if isinstance(found, list) else []


def _ruling(given: Mapping[str, Any]) -> Ruling | None:
    try:
        return Ruling.read({name: value for name, value in given.items() if name in Ruling.model_fields})
    except (ValidationError, AttributeError):
        # A newer Sluice may keep it in another shape.
        return None


def _shifts(events: list[Event]) -> Iterator[Shift]:
    for event in events:
        if event.event is Happened.SHIFTED:
            with suppress(ValidationError):
                yield Shift.read({"at": event.at, "weight": event.figures.get("weight")})


def _looks(events: list[Event]) -> Iterator[Look]:
    for event in events:
        if event.event is Happened.LOOKED:
            with suppress(ValidationError):
                yield Look.read({"at": event.at, **event.figures})


def _messages(events: list[Event]) -> Iterator[Message]:
    for event in events:
        if event.event is Happened.TOLD:
            to, missed = ([str(one) for one in _list(event.figures, key)] for key in ("to", "missed"))
            yield Message(at=event.at, text=event.text, to=to, missed=missed)


def _contacts(failed: Event | None) -> Iterator[Contact]:
    for wire in _list(failed.figures, "contacts") if failed else []:
        with suppress(ValidationError):
            yield Contact.read(wire)


def _lines(figures: Mapping[str, Any]) -> list[str]:
    return [str(line) for name in ("lines", "warnings", "steps") for line in _list(figures, name)]


def _impact(looks: list[Look], shifts: list[Shift], ended: datetime) -> Impact:
    sides = [side for look in looks for side in look.sides]
    mine = [side for side in sides if side.side == "canary"]
    given = [shift.at for shift in shifts if shift.weight]
    taken = next((shift.at for shift in shifts if not shift.weight and given and shift.at >= given[0]), ended)
    requests = sum(side.requests for side in mine)
    return Impact(
        requests=requests,
        # The last look may have seen an error before the request that it is of (core.figures).
        errors=min(requests, sum(side.errors for side in mine)),
        others=sum(side.requests for side in sides if side.side != "canary"),
        weight=max((shift.weight for shift in shifts), default=0),
        seconds=(taken - given[0]).total_seconds() if given else 0.0,
    )
