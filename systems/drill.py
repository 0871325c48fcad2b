"""The restore drill: a backup is restored into a database of its own, compared, and timed. What has held is kept as the restore point."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from sluice.core.backup.format import major
from sluice.core.backup.manifest import SCHEMA, Backup, Drilled, scratch
from sluice.core.backup.rule import differs
from sluice.core.backup.schema import difference, digest, normal
from sluice.core.clock import Clock, SystemClock
from sluice.core.commands import dump as say
from sluice.core.errors import BackupFailed
from sluice.core.store import Store
from sluice.systems.aside import ASIDE, quiet, remember
from sluice.systems.client import client
from sluice.systems.copy import clear, create, drop
from sluice.systems.lock import connect, held, maintained
from sluice.systems.postgres import primary
from sluice.systems.restore import restore
from sluice.systems.shape import shape
from sluice.systems.shelf import check, record
from sluice.systems.source import SYSTEM, reading
from sluice.systems.tool import env, run

# An own check that takes longer would be felt in every restore.
LIMIT = "300s"
# Differences that are told; more of them say nothing new.
SHOWN = 20
# What a check says whose function names a table or another function without its schema.
NAMELESS = re.compile(r"ERROR: +(?:relation|function|type|operator) .*does not exist")

SCHEMA_WANTED = (
    "in a restore only names with their schema are found: write it in the check or function, or alter function ... set search_path"
)


@dataclass
class Course:
    """One drill on its way: what it works with, and what it has found."""

    store: Store
    backup: Backup
    copy: Store
    jobs: int
    clock: Clock
    look: Callable[[], None]
    seconds: dict[str, float] = field(default_factory=dict)
    compared: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    agreed: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage; the lock is looked at before it."""
        self.look()
        begun = self.clock.now()
        yield
        self.seconds[name] = round(self.clock.now() - begun, 3)

    def hold(self, problems: list[str]) -> None:
        """Raise BackupFailed when there are problems."""
        if problems:
            more = [f"... {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
            raise BackupFailed(f"backup {self.backup.id} of '{self.store.dbname}' did not hold", problems[:SHOWN] + more)


def drill(
    store: Store,
    backup: Backup,
    *,
    checks: Mapping[str, str] | None = None,
    agreed: Mapping[str, str] | None = None,
    jobs: int = 1,
    keep: bool = True,
    wait: float = 60.0,
    clock: Clock | None = None,
) -> Drilled:
    """Prove a backup by a restore beside the live database, and write that down beside its manifest.

    `checks` are the team's own, name to SELECT: each must return no row, or one true; they run read-only in the copy, as do those of
    `agreed`, whose answers are written down to be compared with another database's. `jobs` restore in parallel. The copy stays when all
    held and `keep` is true. Waits up to `wait` seconds for the database's lock.
    BackupFailed with every difference; then the copy is dropped.
    """
    clock = clock or SystemClock()
    copy = store.at(scratch(store.dbname, backup.id))
    with held(store, "drill", wait=wait, clock=clock) as lock, maintained(store, "drill") as connection:
        course = Course(store, backup, copy, jobs, clock, lock.check)
        try:
            _same(course, connection)
            with course.stage("check"):
                course.hold(_files(course))
            with _copied(course, connection, keep=keep):
                _prove(course, checks or {}, agreed or {})
                return _record(course, keep=keep)
        except psycopg.Error as error:
            raise BackupFailed(f"backup {backup.id} of '{store.dbname}' did not hold", [primary(error)]) from None


def _same(course: Course, connection: psycopg.Connection[Any]) -> None:
    """A copy beside another database proves nothing about this one."""
    manifest, problems = course.backup.manifest, []
    if manifest.database != course.store.dbname:
        problems.append(f"it is of database '{manifest.database}'")
    system = connection.execute(SYSTEM).fetchone()
    if system and system[0] != manifest.system:
        problems.append(f"it is from system {manifest.system}, and {course.store.host}:{course.store.port} is system {system[0]}")
    if (mine := client(course.store).major) < (theirs := major(manifest.client)):
        problems.append(f"it was dumped by pg_dump {theirs}, which pg_restore {mine} may not read: point `tools` to {theirs} or newer")
    course.hold(problems)


def _files(course: Course) -> list[str]:
    problems = check(course.store, course.backup, decode=False, look=course.look)
    if problems:  # then all that is wrong is worth its time
        problems = check(course.store, course.backup, look=course.look)
    place, dump = Path(course.backup.folder), course.backup.manifest.dump
    if not problems and not (place / dump).exists():
        return [f"{dump} is there encrypted only: decrypt it into '{place}' first"]
    return problems


@contextmanager
def _copied(course: Course, connection: psycopg.Connection[Any], *, keep: bool) -> Iterator[None]:
    """Make an empty copy, quiet from its first moment, and drop it unless the block ends well and it is to be kept."""
    course.notes += clear(connection, course.copy.dbname)
    create(connection, course.store.dbname, course.copy.dbname)
    kept = False
    try:
        course.notes += quiet(connection, course.copy.dbname, connection.info.server_version // 10000)
        yield
        kept = keep
    finally:
        if not kept:
            drop(connection, course.copy.dbname)


def _prove(course: Course, checks: Mapping[str, str], agreed: Mapping[str, str]) -> None:
    with course.stage("restore"):
        course.notes += _restore(course)
        _remember(course)
    with course.stage("compare"):
        course.hold(_compare(course))
    if checks or agreed:
        with course.stage("checks"):
            course.hold(_checks(course, checks, agreed))
    with course.stage("amcheck"):
        _amcheck(course)


def _restore(course: Course) -> list[str]:
    try:
        return restore(course.copy, course.backup, jobs=course.jobs, look=course.look)
    except BackupFailed as error:
        if not any(NAMELESS.search(one) for one in error.reasons):
            raise
        raise BackupFailed(str(error).partition("\n")[0], [*error.reasons, SCHEMA_WANTED]) from None


def _remember(course: Course) -> None:
    if found := course.backup.manifest.around:
        with connect(course.copy, "drill") as connection:
            remember(connection, found)


def _compare(course: Course) -> list[str]:
    """Return every difference between the manifest and the copy."""
    manifest = course.backup.manifest
    text = shape(course.copy, course.look)
    with reading(course.copy, "drill") as source:
        rows, sequences, large = source.rows(course.look), source.sequences(), source.large()
    course.compared += [f"{sum(rows.values())} rows in {len(rows)} tables", f"{len(sequences)} sequences", "the schema"]
    course.compared += [f"{large[0]} large objects"] if large[0] else []
    sum256 = digest(text)
    change = [] if sum256 == manifest.shape else _change(course, text)
    return differs(manifest, rows=rows, sequences=sequences, shape=sum256, large=large, change=change)


def _change(course: Course, text: str) -> list[str]:
    path = Path(course.backup.folder) / SCHEMA
    return difference(normal(path.read_text()), text, names=("backup", "copy")) if path.exists() else []


def _checks(course: Course, checks: Mapping[str, str], agreed: Mapping[str, str]) -> list[str]:
    with connect(course.copy, "drill", options=f"-c default_transaction_read_only=on -c statement_timeout={LIMIT}") as connection:
        problems = [problem for name, query in checks.items() for problem in failing(connection, name, query)]
        problems += [problem for name, query in agreed.items() for problem in _found(course, connection, name, query)]
    course.compared += [f"own checks: {', '.join(checks)}"] if checks else []
    return problems


def _found(course: Course, connection: psycopg.Connection[Any], name: str, query: str) -> list[str]:
    """Write down what a question of the team's has come to; return why it has come to nothing."""
    try:
        row = next(connection.cursor().stream(query.encode()), None)
    except psycopg.Error as error:
        return [f"'{name}', which other databases should agree with: {primary(error)}"]
    course.agreed[name] = ", ".join(str(one) for one in row)[:200] if row else "nothing"
    return []


def failing(connection: psycopg.Connection[Any], name: str, query: str) -> list[str]:
    """Ask one of the team's own questions: no row holds, or one that is true. The number 1, which Python takes for true, is a finding."""
    # Streaming is the protocol that takes one statement only.
    try:
        row = next(connection.cursor().stream(query.encode()), None)
    except psycopg.Error as error:
        return [f"check '{name}': {primary(error)}"]
    if row is None or (len(row) == 1 and row[0] is True):
        return []
    return [f"check '{name}': found {', '.join(str(one) for one in row)[:200]}"]


def _amcheck(course: Course) -> None:
    """Read every table and index of the copy; the extension is there for that long only."""
    with connect(course.copy, "drill") as connection:
        there = connection.execute("select from pg_extension where extname = 'amcheck'").fetchone() is not None
        try:
            connection.execute(f"create extension if not exists amcheck schema {ASIDE}".encode())
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile) as error:
            course.notes.append(f"pg_amcheck skipped: {primary(error)}")
            return
        _read(course)
        if not there:
            connection.execute("drop extension amcheck")
    course.compared.append("pg_amcheck")


def _read(course: Course) -> None:
    with tempfile.TemporaryFile() as out:
        try:
            run(say.amcheck(course.copy, jobs=course.jobs), env(course.copy), course.look, stdout=out)
        except BackupFailed as error:
            out.seek(0)
            course.hold([str(error), *out.read(4096).decode(errors="replace").splitlines()])


def _record(course: Course, *, keep: bool) -> Drilled:
    known = {"seconds": course.seconds, "compared": tuple(course.compared), "notes": tuple(course.notes), "agreed": course.agreed}
    total = round(sum(course.seconds.values()), 3)
    facts = {"at": course.clock.now(), "scratch": course.copy.dbname, "kept": keep, "rto": total, "manifest": ""}
    return record(course.backup, Drilled.model_validate({**facts, **known}))
