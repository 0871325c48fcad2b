"""SQL migrations in a real database: look, read, run.

A run expects to be alone: whoever calls it holds the database's lock, and hands over a `check` that raises once it is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import psycopg

from sluice.core.errors import ConfigError, Refused, Superseded, Unreachable
from sluice.core.migration.file import Migration
from sluice.core.migration.file import folder as parsed
from sluice.core.migration.history import Plan, basis
from sluice.core.migration.row import Row
from sluice.core.store import Store
from sluice.systems import migration_table as table
from sluice.systems.migration_session import Session, limit, opened, orphans, where
from sluice.systems.migration_step import QUESTION, How, Run, begun, perform
from sluice.systems.postgres import primary


def read(folder: Path) -> list[Migration]:
    """Read `migrations/<database>/`, in order; ConfigError has every problem of its files."""
    try:
        found = {path: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix == ".sql"}
    except OSError as error:
        raise ConfigError([f"{error.filename}: cannot be read ({error.strerror})"]) from None
    if wrong := [why for path, data in found.items() if (why := _unreadable(path, data))]:
        raise ConfigError(wrong)
    try:
        # UTF-8 whatever the machine speaks: the digest, by which a file is known again, is of its text.
        return parsed({path.name: data.decode() for path, data in found.items()})
    except ConfigError as error:
        # Two databases may have files of the same name.
        raise ConfigError([f"{folder}/{problem}" for problem in error.problems]) from None


def _unreadable(path: Path, data: bytes) -> str:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return f"{path}: line {line}: is not UTF-8 (byte 0x{data[error.start]:02x}, {error.reason}): save it as UTF-8 text"
    return ""


def look(store: Store) -> list[Row]:
    """Return the history of a database, with any role that may read it; none when nothing was ever run."""
    try:
        with opened(store, "sluice", read=True) as session:
            return table.rows(session)
    except psycopg.Error as error:
        raise Unreachable(f"{where(store)}: {primary(error)}") from None


def run(store: Store, plan: Plan, **how: Unpack[How]) -> list[str]:
    """Run a plan, step by step, and return the names of what ran.

    Refused when the plan has refusals; MigrationFailed at the first step that does not go through; Superseded when the history is not
    the planned one; whatever `check` raises, which leaves the row as it is, since the lock may be another's by then.
    """
    run = begun(store, plan, how)
    if plan.steps:
        _prepare(run, plan)
    for step in plan.steps:
        run.log(f"migration {step.migration.name}: {step.action}")
        perform(run, step)
    return [step.migration.name for step in plan.steps]


def prepare(store: Store) -> None:
    """Make the history table unless it is there; Refused when this role may not."""
    try:
        with opened(store, "sluice") as session:
            _table(session, store)
    except psycopg.Error as error:
        raise Unreachable(f"{where(store)}: {primary(error)}") from None


def _prepare(job: Run, plan: Plan) -> None:
    """Make the table, end what a dead deployer has left running, and see that the history is the one that was planned for."""
    try:
        with opened(job.store, "sluice") as session:
            _table(session, job.store)
            for one in orphans(session):
                job.log(f"migration: ended {one}, which a dead deployer had left")
            if basis(table.rows(session)) != plan.basis:
                raise Superseded(f"{where(job.store)}: its migrations have changed since they were planned: `pulumi up` plans again")
    except psycopg.Error as error:
        raise Unreachable(f"{where(job.store)}: {primary(error)}") from None


def _table(session: Session, store: Store) -> None:
    try:
        table.make(session)
    except psycopg.errors.InsufficientPrivilege as error:
        why = (
            f"the history table sluice_history.migration cannot be made ({primary(error)}): grant CREATE on the database to '{store.user}'"
        )
        raise Refused([f"{where(store)}: {why}"]) from None
    except psycopg.errors.RaiseException as error:
        why = f"an event trigger of the database refuses the history table sluice_history.migration ({primary(error)}): let it pass"
        raise Refused([f"{where(store)}: {why}"]) from None


def losses(store: Store, migrations: Sequence[Migration]) -> dict[str, int | str]:
    """Return how many rows going back would lose, as each lossy migration counts them, or why they cannot be counted."""
    lossy = [one for one in migrations if one.way == "lossy"]
    if not lossy:
        return {}
    try:
        with opened(store, "sluice", read=True) as session:
            limit(session, lock=QUESTION, statement=QUESTION)
            return {one.id: _count(session, one) for one in lossy}
    except psycopg.Error as error:
        raise Unreachable(f"{where(store)}: {primary(error)}") from None


def _count(session: Session, migration: Migration) -> int | str:
    if not migration.loses:
        return "its file does not count them"
    try:
        row = session.execute(migration.loses.encode()).fetchone()
        return int(str(row[0])) if row and row[0] is not None else 0
    except ValueError:
        return "its count is no number"
    except psycopg.Error as error:
        if session.closed:
            raise
        return primary(error)
