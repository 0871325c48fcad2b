"""A rehearsal: what a release would run runs first on a copy of the drill's copy, up, down, and up again; the live database is not touched.

The drill's copy itself stays as it is, since it is the restore point. In the trial foreign keys hold and triggers run, as they would on the
live database, but for those that reach out. What reaches out is blocked, also what a migration makes in the middle of it: an event trigger
sees to that. It does not see what a function does to the server as a superuser: roles, `copy ... to program`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from sluice.core.backup.manifest import Rehearsed, trial
from sluice.core.backup.schema import difference
from sluice.core.clock import Clock
from sluice.core.database import Database
from sluice.core.errors import BackupFailed, MigrationFailed
from sluice.core.migration import tale
from sluice.core.migration.history import Kind, Plan
from sluice.core.migration.kind import REACHING
from sluice.core.store import Store
from sluice.systems import migrations, schema, scheme
from sluice.systems.around import around, settle
from sluice.systems.aside import QUIET, loud, quiet, watch
from sluice.systems.copy import clear, drop, shut
from sluice.systems.lock import Lock, connect, held
from sluice.systems.postgres import primary
from sluice.systems.shape import shape

STEP = "rehearsal"
# Of the differences between models and database: enough to recognise them.
SHOWN = 5
# A session that is ended may come again at once, as those of a monitoring agent do.
TRIES = 5
END = "select pid, application_name, pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s and pid <> pg_backend_pid()"
SEEN = "select pid, application_name, usename from pg_stat_activity where datname = %s and backend_type = 'client backend'"


@dataclass
class Course:
    """A rehearsal on its way."""

    trial: Database
    lock: Lock
    lines: list[str]
    steps: dict[str, tuple[str, ...]] = field(default_factory=dict)
    histories: dict[str, str] = field(default_factory=dict)
    late: set[str] = field(default_factory=set)


def rehearse(database: Database, copy: str, *, wait: float = 60.0, clock: Clock | None = None) -> Rehearsed:
    """Run both phases on a trial of a drill's copy; return what ran, with a line for each migration and its seconds.

    Waits up to `wait` seconds for the database's lock. MigrationFailed when one does not go through, or when its way back does not lead
    back; the live database was not touched then.
    """
    with held(database.store, STEP, wait=wait, clock=clock) as lock, _trial(lock, database.store, copy) as (store, notes):
        course = Course(database.model_copy(update={"store": store}), lock, [f"{database.name}: {note}" for note in notes])
        try:
            _walk(course)
        except MigrationFailed as error:
            why = f"rehearsal of '{database.name}', on a copy of its backup: {error}; the live database was not touched"
            raise MigrationFailed(why) from None
        lines, late = tuple(course.lines), tuple(sorted(course.late))
        return Rehearsed(steps=course.steps, histories=course.histories, seconds=_seconds(store), lines=lines, late=late)


def _seconds(store: Store) -> dict[str, float]:
    return {row.name: row.seconds for row in migrations.look(store) if row.release == STEP and row.seconds is not None}


def _walk(course: Course) -> None:
    for phase in schema.PHASES:
        way = schema.way(course.trial, phase)
        course.steps[phase], course.histories[phase] = way.contents, way.basis
        if way.steps:
            scheme.of(course.trial).prepare()
            course.lines.append(_phase(course, phase, way))
    course.lines += _drift(course.trial)


def _phase(course: Course, phase: Kind, way: Plan) -> str:
    trial, names = course.trial, _names(way)
    if any(step.action == "down" for step in way.steps):
        return f"{names}: rehearsed back in {_timed(course, way):.1f} s"
    floor, up = _floor(way), 0.0
    if floor:
        up += _timed(course, way.model_copy(update={"steps": way.steps[:floor]}))
    top = schema.way(trial, phase) if floor else way
    before, bottom = _own(trial.store), scheme.of(trial).revision()
    up += _timed(course, top) if top.steps else 0.0
    _counted(trial, way)
    said = f"{names}: rehearsed up in {up:.1f} s"
    if floor:
        said += f"; '{way.steps[floor - 1].migration.name}' is restore-only, so "
    if not top.steps:
        return f"{said}there is no way back to rehearse"
    back = _there_and_back(course, phase, top, before, bottom)
    return f"{said}the way back of {_names(top)} alone was rehearsed, {back}" if floor else f"{said}, {back}"


def _floor(way: Plan) -> int:
    """Return how many steps are at and below the last one that only a restore undoes."""
    return max((place for place, step in enumerate(way.steps, 1) if step.migration.way == "restore-only"), default=0)


def _counted(trial: Database, way: Plan) -> None:
    """Ask what going back would lose, as a refusal to go back will: a count that does not work is found too late there."""
    counting = [step.migration for step in way.steps if step.migration.way == "lossy" and step.migration.loses]
    for one in counting:
        count = migrations.losses(trial.store, [one])[one.id]
        if isinstance(count, str):
            why = f"what going back from '{one.name}' loses cannot be counted on the migrated schema ({count})"
            raise MigrationFailed(f"{why}: mend its 'loses', then `pulumi up`")


def _names(way: Plan) -> str:
    return ", ".join(step.migration.name for step in way.steps)


def _there_and_back(course: Course, phase: Kind, way: Plan, before: str, bottom: str) -> str:
    """Go back to where the steps began, and up again; what loses rows must leave the right schema all the same.

    A column that comes back is at the end of its table: nobody can put it elsewhere, and nothing is lost by it.
    """
    trial, lossy = course.trial, [step.migration.id for step in way.steps if step.migration.way == "lossy"]
    down = _down(course, way, scheme.of(trial).plan(target=bottom, phase="settle", lossy=lossy))
    # What was half there goes back to before it.
    whole = not any(step.start for step in way.steps)
    change = difference(before, _own(trial.store), names=("before", "after"), order=False) if whole else []
    if change:
        raise MigrationFailed(f"the way back of {_names(way)} does not lead back:\n    " + "\n    ".join(change))
    again = _timed(course, schema.way(trial, phase))
    return f"down in {down:.1f} s{' (loses data)' if lossy else ''}, and up again in {again:.1f} s"


def _down(course: Course, way: Plan, back: Plan) -> float:
    try:
        return _timed(course, back)
    except MigrationFailed as error:
        text = str(error)
    # On the live database they are still to come, with whatever way back their files have by then.
    for step in way.steps:
        text = text.replace(tale.mend(step.migration, "down"), tale.MEND)
    raise MigrationFailed(text)


def _drift(trial: Database) -> Iterator[str]:
    """What the models have otherwise stops nothing: a tree that others publish may have said so for years."""
    if found := scheme.of(trial).drift():
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        yield f"'{trial.target}' is other than the models in {len(found)} places: {'; '.join(found[:SHOWN])}{more}"


def _own(store: Store) -> str:
    """Return the schema without the extensions that reach out: a way back may leave them, since others may use them by then."""
    lines = shape(store).splitlines()
    return "\n".join(line for line in lines if not ("EXTENSION" in line and any(name in line for name in REACHING)))


def _timed(course: Course, way: Plan) -> float:
    begun = time.monotonic()
    scheme.of(course.trial).run(way, check=course.lock.check, release=STEP, log=lambda line: None, seen=course.late)
    return time.monotonic() - begun


@contextmanager
def _trial(lock: Lock, store: Store, copy: str) -> Iterator[tuple[Store, list[str]]]:
    """Make a database from the copy for as long as the block, with the live one's settings; return what is not as it is there."""
    name = trial(copy)
    try:
        left = clear(lock.connection, name)
        drop(lock.connection, name)
        _clone(lock.connection, copy, name)
        try:
            yield store.at(name), [*left, *_settled(lock.connection, store, name)]
        finally:
            drop(lock.connection, name)
    except psycopg.Error as error:
        raise BackupFailed(f"no trial of '{store.dbname}' could be made from '{copy}' ({primary(error)}): run `pulumi up` again") from None


def _settled(connection: psycopg.Connection[Any], store: Store, name: str) -> list[str]:
    """Quiet until what reaches out is put aside: a trigger on login would run before; then as the live database is."""
    major = connection.info.server_version // 10000
    shut(connection, name)
    quiet(connection, name, major)
    with connect(store.at(name), STEP) as inside:
        watch(inside)
    loud(connection, name, major)
    # A template does not hand on a database's settings.
    found = around(connection, store.dbname)
    return settle(connection, name, found.model_copy(update={"settings": [one for one in found.settings if one[1] not in QUIET]}))


def _clone(connection: psycopg.Connection[Any], copy: str, name: str) -> None:
    """Make a database from another, on which nobody may be connected meanwhile: sessions there are ended, nobody needs them."""
    query = sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(copy))
    for tries in range(1, TRIES + 1):
        try:
            connection.execute(query)
            return
        except psycopg.errors.ObjectInUse:
            if tries == TRIES:
                raise BackupFailed(_visited(connection, copy)) from None
        try:
            connection.execute(END, [copy]).fetchall()
        except psycopg.errors.InsufficientPrivilege:
            raise BackupFailed(_visited(connection, copy)) from None


def _visited(connection: psycopg.Connection[Any], copy: str) -> str:
    seen = [f"'{name}' of {user} (pid {pid})" for pid, name, user in connection.execute(SEEN, [copy])]
    who = ", ".join(seen) or "somebody"
    return f"a rehearsal needs the copy '{copy}' for itself, and {who} is connected to it: end that, then `pulumi up`"
