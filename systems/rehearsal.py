"""A rehearsal: what a release would run runs first on a copy of the drill's copy, up, down, and up again; the live database is not touched.

The drill's copy itself stays as it is, since it is the restore point. The trial is as cut off as that copy is: extensions that reach out
and that a migration would make are there already, with their functions blocked.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from sluice.core.backup.schema import difference
from sluice.core.database import Database
from sluice.core.errors import BackupFailed, MigrationFailed
from sluice.core.migration.history import Kind, Plan, plan
from sluice.core.migration.kind import REACHING
from sluice.core.store import Store
from sluice.systems import migrations, schema
from sluice.systems.aside import protect, quiet
from sluice.systems.copy import drop, shut
from sluice.systems.lock import connect, maintained
from sluice.systems.postgres import primary
from sluice.systems.shape import shape

STEP = "rehearsal"
TRIAL = "_trial"
# Bytes of a name that the server keeps.
NAME = 63


def rehearse(database: Database, copy: str, *, seconds: dict[str, float] | None = None) -> list[str]:
    """Run both phases on a trial of a drill's copy; return a line for each phase, and put each migration's seconds into `seconds`.

    MigrationFailed when one does not go through, or when its way back does not lead back; the live database was not touched then.
    """
    with _trial(database.store, copy) as store:
        trial = database.model_copy(update={"store": store})
        try:
            lines = list(_walk(trial))
            if seconds is not None:
                seconds |= {row.name: row.seconds for row in migrations.look(store) if row.release == STEP and row.seconds is not None}
            return lines
        except MigrationFailed as error:
            why = f"rehearsal of '{database.name}', on a copy of its backup: {error}; the live database was not touched"
            raise MigrationFailed(why) from None


def _walk(trial: Database) -> Iterator[str]:
    migrations.prepare(trial.store)
    for phase in schema.PHASES:
        way = schema.way(trial, phase)
        if way.steps:
            yield from _phase(trial, phase, way)


def _phase(trial: Database, phase: Kind, way: Plan) -> Iterator[str]:
    _reach(trial.store, way)
    before = _own(trial.store)
    up, names = _timed(trial.store, way), ", ".join(step.migration.name for step in way.steps)
    if one := next((step.migration for step in way.steps if step.migration.way != "reversible"), None):
        yield f"{names}: rehearsed up in {up:.1f} s; '{one.name}' is {one.way}, so there is no way back to rehearse"
        return
    back = plan(migrations.read(Path(trial.folder)), migrations.look(trial.store), target=way.before, phase="settle")
    down = _timed(trial.store, back)
    if change := difference(before, _own(trial.store), names=("before", "after")):
        raise MigrationFailed(f"the way back of {names} does not lead back:\n    " + "\n    ".join(change))
    again = _timed(trial.store, schema.way(trial, phase))
    yield f"{names}: rehearsed up in {up:.1f} s, down in {down:.1f} s, and up again in {again:.1f} s"


def _own(store: Store) -> str:
    """Return the schema without the extensions that were made for the rehearsal: a way back may drop them, or leave them."""
    lines = shape(store).splitlines()
    return "\n".join(line for line in lines if not ("EXTENSION" in line and any(name in line for name in REACHING)))


def _timed(store: Store, way: Plan) -> float:
    begun = time.monotonic()
    migrations.run(store, way, check=lambda: None, release=STEP, log=lambda line: None)
    return time.monotonic() - begun


def _reach(store: Store, way: Plan) -> None:
    """Make, blocked, what a migration is going to make: it would come with functions that nobody has blocked yet."""
    text = "\n".join(step.migration.up.lower() for step in way.steps)
    with connect(store, STEP) as connection:
        for name in REACHING:
            if name in text and "extension" in text:
                _make(connection, name)
        protect(connection)


def _make(connection: psycopg.Connection[object], name: str) -> None:
    try:
        connection.execute(sql.SQL("create extension if not exists {}").format(sql.Identifier(name)))
    except psycopg.errors.FeatureNotSupported:
        # Not installed on this server: the migration will say so itself.
        return


@contextmanager
def _trial(store: Store, copy: str) -> Iterator[Store]:
    """Make a database from the copy for as long as the block; nobody else may be connected to the copy meanwhile."""
    # The server cuts names by bytes: one that was cut to the copy's own would drop the copy.
    name = copy.encode()[: NAME - len(TRIAL)].decode(errors="ignore") + TRIAL
    try:
        with maintained(store, STEP) as connection:
            drop(connection, name)
            connection.execute(sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(copy)))
            try:
                shut(connection, name)
                # A database's settings are not part of what a template hands on.
                quiet(connection, name, connection.info.server_version // 10000)
                yield store.at(name)
            finally:
                drop(connection, name)
    except psycopg.Error as error:
        raise BackupFailed(f"no trial of '{store.dbname}' could be made from '{copy}' ({primary(error)}): run `pulumi up` again") from None
