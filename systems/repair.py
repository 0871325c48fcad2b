"""Chosen rows come back from a backup into the live database, in one transaction, while what writes them is paused by a flag.

Nothing is left half: who is killed leaves the rows as they were, or all of them back. The flag stays as it is then, and the same order
goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from sluice.core.errors import Interrupted, Refused, RestoreFailed, SluiceError
from sluice.core.restore.order import Order
from sluice.core.restore.repair import Change, Repair, Row, Step, left, lines, notes, steps
from sluice.core.restore.rule import Scene, refusals
from sluice.core.store import Store
from sluice.systems import repair_table as journal
from sluice.systems.copy import clear
from sluice.systems.drill import drill, failing
from sluice.systems.lock import connect, held
from sluice.systems.postgres import answered, primary
from sluice.systems.recover_way import Way, kept, tell
from sluice.systems.repair_course import READS, Course, first, freed
from sluice.systems.repair_write import LOCK, NAME, WAIT, Job, both, headline, load, rows_of
from sluice.systems.source import SYSTEM
from sluice.systems.swap import oid


@dataclass(frozen=True)
class Outlook:
    """What a repair would do: `changes` by table, `lines` for people; `row` is the same repair, begun before and not ended."""

    changes: Mapping[str, Change]
    lines: list[str]
    row: Row | None = None

    def due(self, repair: Repair) -> bool:
        """Say whether anything is to be done: a row, or what an earlier run has left."""
        return self.row is not None or any(one.some(remove=repair.remove) for one in self.changes.values())


def look(job: Job) -> Outlook:
    """Compare the chosen rows with the live ones; nothing is changed. Refused with everything that speaks against the repair."""
    with answered(job.store, _why):
        if (row := _peek(job)) and row.state == "mended":
            return Outlook(row.changes, [f"repair {row.id} has brought the rows back already: only its flag is left"], row)
        _copy(job)
        with held(job.store, NAME, wait=job.wait, clock=job.clock) as held_, both(job) as (live, copy):
            with live.transaction(force_rollback=True):
                rows = rows_of(job, live, copy)
                changes = load(held_, rows, copy)
            known = [line for one in rows.values() for line in notes(one.now, one.then, triggers=job.repair.triggers)]
            found = [f"before: {why}" for why in _unproven(job)]
            return Outlook(changes, [*lines(changes, remove=job.repair.remove), *known, *found], row)


def run(job: Job) -> list[str]:
    """Do it, or what is left of it; return what was done, for people.

    RestoreFailed says what is left: rows are as they were unless it says that they are back, and the flag stays paused.
    """
    with answered(job.store, _why):
        if (row := _peek(job)) is None or row.state == "begun":
            _copy(job)
        with held(job.store, NAME, wait=job.wait, clock=job.clock) as one, connect(job.store, NAME) as live:
            # Another one may have ended meanwhile.
            row = _taken(job, live)
            course = Course(job, one, live, row)
            for step in steps(row.state if row else None):
                with _left(job, step):
                    course.do(step)
            return course.said


def resume(store: Store, path: Path, *, wait: float = WAIT) -> list[str]:
    """Let go of the flag of a repair that was begun and not ended, and of nothing else; return what was done."""
    with answered(store, _why), held(store, NAME, wait=wait), connect(store, NAME) as live:
        row = journal.open(live)
        if row is None:
            return [f"no repair of '{store.dbname}' is under way: there is nothing to let go"]
        said = freed(row, path)
        journal.end(live, row, "done" if row.state == "mended" else "left")
        rows = "its rows are back" if row.state == "mended" else "no row was changed"
        return [*said, f"repair {row.id} is given up: {rows}" if row.state == "begun" else f"repair {row.id} has ended: {rows}"]


@contextmanager
def _left(job: Job, step: Step) -> Iterator[None]:
    """Tell what a step leaves that fails, or is told to stop."""

    def told(why: str) -> str:
        return left(step, job.repair, why, back=_back(job, step), again=job.again, resume=job.resume)

    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(told(f"told to stop while it was to {step}")) from None
    except psycopg.Error as error:
        raise RestoreFailed(told(_why(error))) from None
    except SluiceError as error:
        raise RestoreFailed(told(str(error))) from None


def _back(job: Job, step: Step) -> bool | None:
    """Say whether the rows are back where a step has ended early: what has just been committed is, whatever came after it."""
    if step is not Step.MEND:
        return step is Step.RESUME
    try:
        row = _peek(job)
    except psycopg.Error:
        return None
    return row is not None and row.state == "mended"


def _why(error: psycopg.Error) -> str:
    said = primary(error)
    if isinstance(error, psycopg.errors.ForeignKeyViolation):
        return f"{said}: bring back the rows of the other table as well"
    return (
        f"{said}: somebody has been writing there for {LOCK:g} s, or changing the table"
        if isinstance(error, psycopg.errors.LockNotAvailable)
        else said
    )


def _peek(job: Job) -> Row | None:
    """Return this repair where it was begun and not ended. Refused where another one holds a flag."""
    with connect(job.store, NAME) as live:
        return _mine(job, journal.open(live))


def _mine(job: Job, row: Row | None) -> Row | None:
    if row is None or row.repair == job.repair:
        return row
    if not row.repair.flag:
        return None
    of = ", ".join(part.table for part in row.repair.parts)
    raise Refused(
        [f"repair {row.id} of '{job.store.dbname}' ({of}) was begun and not ended: run that again, or let go of it: {job.resume}"]
    )


def _taken(job: Job, live: psycopg.Connection[Any]) -> Row | None:
    """Take this repair up where it was begun; a dead one without a flag is in nobody's way. What cannot be is refused before any pause."""
    found = journal.open(live)
    row = _mine(job, found)
    if found and row is None:
        journal.end(live, found, "left")
    if row is None:
        with both(job) as (connection, copy):
            rows_of(job, connection, copy)
    return row


def _copy(job: Job) -> None:
    """Have the backup's rows beside the database: the copy that its drill has kept, or a new one, proved in the same way."""
    way = Way(job.store, job.backup, Order(nonce=NAME, backup=job.backup.id), wait=job.wait, clock=job.clock, log=job.log)
    with held(job.store, NAME, wait=job.wait, clock=job.clock) as one:
        tell(clear(one.connection, job.copy.dbname), job.log)
        there = kept(one, way)
        scene = Scene(
            system=first(one.connection, SYSTEM), live=oid(one.connection, job.store.dbname) is not None, copy_=there, making=not there
        )
        if wrong := refusals(job.store, job.backup, job.copy.dbname, scene):
            raise Refused(wrong, headline=headline(job))
    # The drill takes the lock itself.
    if not there:
        drill(job.store, job.backup, wait=job.wait, clock=job.clock)


def _unproven(job: Job) -> list[str]:
    with connect(job.store, NAME, options=READS) as live:
        return [why for query in job.repair.verify for why in failing(live, query, query)]
