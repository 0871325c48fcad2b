"""One migration, in one direction: its row first, then its statements, in one transaction or each in its own."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Required, TypedDict, TypeVar

import psycopg
from psycopg import sql

from sluice.core.clock import Clock, SystemClock
from sluice.core.errors import MigrationFailed, Refused, Unreachable
from sluice.core.migration import tale
from sluice.core.migration.dirty import left
from sluice.core.migration.file import Migration
from sluice.core.migration.history import Plan, Step
from sluice.core.migration.script import Query, Script, Statement
from sluice.core.store import Store
from sluice.systems import migration_table as table
from sluice.systems.migration_session import Session, Watch, dumps, limit, opened, where
from sluice.systems.postgres import primary

# Seconds of waiting for locks and dumps: longer, and a person should look.
BUDGET = 60.0
# A lock that does not come in five tries over some seconds is held by somebody who stays.
TRIES = 5
# Seconds before the second try; each further wait is twice as long.
BACKOFF = 0.5
DUMP_POLL = 1.0
# Seconds that a statement may wait when those before it have used up the time: enough for a lock that is free.
LEAST = 0.05
BEFORE = " before its start"
# How often a backfill says how far it is, in seconds.
PROGRESS = 10.0
# Seconds that a check query may take: it has no business holding up a release for longer.
QUESTION = 60.0


class How(TypedDict, total=False):
    """How a plan is run. `check` raises once the database's lock is lost; `budget`: seconds of waiting for locks and dumps in all.

    Of files that come up only as a revision runs: `late` has the SHA-256 of those that may, None when nothing was rehearsed; into `seen`
    goes what does.
    """

    check: Required[Callable[[], object]]
    release: str
    by: str
    budget: float
    clock: Clock | None
    log: Callable[[str], object]
    late: Collection[str] | None
    seen: set[str]


@dataclass(frozen=True)
class Run:
    """What all steps of one run share; `deadline` ends waiting, not working."""

    store: Store
    check: Callable[[], object]
    clock: Clock
    log: Callable[[str], object]
    deadline: float
    budget: float
    release: str
    by: str
    late: Collection[str] | None
    seen: set[str]


def begun(store: Store, plan: Plan, how: How) -> Run:
    """Return what the steps of a plan share, while this run has the lock; Refused when the plan has refusals."""
    if plan.refusals:
        raise Refused(plan.refusals, headline=f"{where(store)} cannot be migrated to '{plan.target}':")
    clock, budget = how.get("clock") or SystemClock(), how.get("budget", BUDGET)
    told: dict[str, Any] = {"log": how.get("log", print), "release": how.get("release", ""), "by": how.get("by", "")}
    told |= {"late": how.get("late"), "seen": how.get("seen", set())}
    run = Run(store=store, check=how["check"], clock=clock, deadline=clock.now() + budget, budget=budget, **told)
    run.check()
    return run


T = TypeVar("T")


class Unverified(Exception):
    """A verify query had a row."""


class Work:
    """A step at work: the session that runs it, and the one that watches it."""

    def __init__(self, run: Run, step: Step, session: Session, watch: Watch) -> None:
        self.run, self.step, self.session, self.watch = run, step, session, watch
        self.migration: Migration = step.migration
        found = self.migration.forward if step.action == "up" else self.migration.back
        self.script = found or Script(statements=())
        self.at = step.start

    def go(self) -> None:
        """Run the step; MigrationFailed when it did not go through."""
        self.run.check()
        self._undumped()
        if not self.step.start:
            self._prechecks()
        if self.step.action == "up":
            self._clean()
        self._begin()
        if self.script.transactional:
            self._guarded(partial(self._patiently, self._whole))
        else:
            self._guarded(self._each)

    def _begin(self) -> None:
        total, owner = len(self.script.statements), {"release": self.run.release, "by": self.run.by}
        table.begin(self.session, self.migration, action=self.step.action, total=total, done=self.step.start, **owner)
        limit(self.session, lock=self.script.lock_timeout, statement=self.script.statement_timeout)

    # Before anything.

    def _undumped(self) -> None:
        while seen := dumps(self.session):
            if self.run.clock.now() >= self.run.deadline:
                raise MigrationFailed(
                    self._text(self._spot(), tale.dumping(seen, self.run.budget), next="wait for its end, then `pulumi up`")
                )
            self.run.log(f"migration {self.migration.name}: waits for {' and '.join(seen)}")
            self.run.clock.wait(DUMP_POLL)

    def _prechecks(self) -> None:
        limit(self.session, lock=self.script.lock_timeout, statement=QUESTION)
        try:
            wrong = _wrong(self.session, self.script.prechecks)
        except psycopg.Error as error:
            raise MigrationFailed(self._text(BEFORE, f"a precheck cannot be asked: {primary(error)}")) from None
        if wrong:
            why = f"precheck {' and '.join(wrong)} found rows"
            raise MigrationFailed(self._text(BEFORE, why, next="mend these rows, then `pulumi up`"))

    def _clean(self) -> None:
        """Drop the invalid index of a failed try while the history still has its name: the file may name another one now."""
        found = next((row for row in table.rows(self.session) if row.id == self.migration.id), None)
        if found and (one := left(found)):
            limit(self.session, lock=self.script.lock_timeout, statement=self.script.statement_timeout)
            self._guarded(partial(self._patiently, partial(self._invalid, one)))

    # In one transaction.

    def _whole(self) -> None:
        self.at, self.watch.waited = 0, 0.0
        with self.session.transaction():
            for one in self.script.statements:
                self.run.check()
                self._ration()
                self.session.execute(one.sql.encode())
                self.at += 1
            self._verify()
            self.run.check()
            table.end(self.session, self.migration.id, action=self.step.action)

    def _ration(self) -> None:
        """Let all statements of a transaction wait no longer than one may: readers queue behind the locks of those before it."""
        if self.watch.waited:
            left = max(self.script.lock_timeout - self.watch.waited, LEAST)
            limit(self.session, lock=left, statement=self.script.statement_timeout)

    # One by one.

    def _each(self) -> None:
        for one in self.script.statements[: self.step.start]:
            if one.setting:  # of a session that is gone
                self.session.execute(one.sql.encode())
        for one in self.script.statements[self.step.start :]:
            self.run.check()
            self._undumped()
            self._statement(one)
            self.at += 1
        self._verify()
        table.end(self.session, self.migration.id, action=self.step.action)

    def _statement(self, one: Statement) -> None:
        if self.script.backfill:
            self._backfill(one)
        elif one.commits:
            self._alone(one)  # never again by itself: a part of it may be there
        elif one.alone:
            self._patiently(partial(self._alone, one))
        else:
            self._patiently(partial(self._counted, one))

    def _counted(self, one: Statement) -> None:
        """Commit a statement together with the count: a crash leaves both or none."""
        with self.session.transaction():
            self.session.execute(one.sql.encode())
            table.done(self.session, self.migration.id, self.at + 1, action=self.step.action)

    def _alone(self, one: Statement) -> None:
        self._invalid(one)
        table.doing(self.session, self.migration.id, self.at + 1)
        if one.patient:
            # It waits for old transactions to end, and nobody queues behind it: two seconds would only leave an invalid index.
            left = max(self.run.deadline - self.run.clock.now(), self.script.lock_timeout)
            limit(self.session, lock=left, statement=self.script.statement_timeout)
        self.session.execute(one.sql.encode())
        limit(self.session, lock=self.script.lock_timeout, statement=self.script.statement_timeout)
        table.done(self.session, self.migration.id, self.at + 1, action=self.step.action)

    def _invalid(self, one: Statement) -> None:
        """Drop the invalid index that a failed CREATE INDEX CONCURRENTLY has left: IF NOT EXISTS would take it for the real one."""
        if not one.index:
            return
        query = "select i.relnamespace::regnamespace::text from pg_index x join pg_class i on i.oid = x.indexrelid"
        query += " where x.indrelid = to_regclass(%s) and i.relname = %s and not x.indisvalid"
        for (schema,) in self.session.execute(query.encode(), [one.table, one.index]).fetchall():
            self.run.log(f"migration {self.migration.name}: drops the invalid index {one.index} that an earlier try has left")
            name = sql.SQL(schema) + sql.SQL(".") + sql.Identifier(one.index)
            self.session.execute(sql.SQL("drop index concurrently if exists ") + name)

    def _backfill(self, one: Statement) -> None:
        changed, told = 0, self.run.clock.now()
        while rows := self._patiently(partial(self._batch, one)):
            changed += rows
            if self.run.clock.now() - told >= PROGRESS:
                told = self.run.clock.now()
                self.run.log(f"migration {self.migration.name}: {changed} rows so far")
            self.run.clock.wait(self.script.backfill.pause if self.script.backfill else 0)
            self.run.check()
            self._undumped()
        self.run.log(f"migration {self.migration.name}: {changed} rows changed, none is left")

    def _batch(self, one: Statement) -> int:
        """Change some rows; the batch that finds none left counts the statement as done."""
        with self.session.transaction():
            rows = self.session.execute(one.sql.encode()).rowcount
            if not rows:
                table.done(self.session, self.migration.id, self.at + 1, action=self.step.action)
        return rows

    # Failing.

    def _verify(self) -> None:
        if wrong := _wrong(self.session, self.script.verifies):
            raise Unverified(f"verify {' and '.join(wrong)} found rows")

    def _patiently(self, action: Callable[[], T]) -> T:
        """Try again when a lock did not come, and only then."""
        for tries in range(1, TRIES + 1):
            try:
                return action()
            except psycopg.errors.LockNotAvailable as error:
                # Jitter, so that two deployers do not knock together.
                wait = BACKOFF * 2 ** (tries - 1) * random.uniform(0.5, 1.5)
                if tries == TRIES or self.run.clock.now() + wait >= self.run.deadline:
                    raise self._failed(tale.blocked(primary(error), tries, self.watch.seen), tale.unblock(self.watch.pids)) from None
                self.run.log(
                    f"migration {self.migration.name}: {tale.blocked(primary(error), 1, self.watch.seen)}; tries again in {wait:.1f} s"
                )
                self.run.clock.wait(wait)
        raise AssertionError("the last try returns or raises")

    def _guarded(self, action: Callable[[], object]) -> None:
        try:
            action()
        except Unverified as error:
            raise self._failed(str(error)) from None
        except psycopg.Error as error:
            if self.session.closed:
                raise MigrationFailed(
                    self._text(tale.spot(self.script, self.at), primary(error), now=self._lost(), next=tale.AGAIN)
                ) from None
            raise self._failed(primary(error)) from None

    def _failed(self, why: str, next: str = "") -> MigrationFailed:
        """Write the failure into the row, and return it."""
        doubt = self._doubt()
        table.fail(self.session, self.migration.id, why, action=self.step.action, doing=self.at + 1 if doubt else 0)
        return MigrationFailed(self._text(tale.spot(self.script, self.at), why, next=tale.PART if doubt else next))

    def _doubt(self) -> bool:
        """Say whether the statement that has failed may have committed a part of itself."""
        return not self.script.transactional and any(one.commits for one in self.script.statements[self.at : self.at + 1])

    def _text(self, spot: str, why: str, *, now: str = "", next: str = "") -> str:
        if not self.script.transactional and spot != BEFORE:
            now = now or tale.partly(self.at, len(self.script.statements))
        now = now or tale.unchanged(self.step.action)
        return tale.failed(self.migration, action=self.step.action, spot=spot, why=why, now=now, next=next)

    def _spot(self) -> str:
        return tale.spot(self.script, self.at) if self.at else BEFORE

    def _lost(self) -> str:
        if self.script.transactional:
            return "the connection is gone, and with it the transaction, unless it had just committed"
        return f"the connection is gone after {self.at} of {len(self.script.statements)} statements"


def perform(run: Run, step: Step) -> None:
    """Run one step on sessions of its own; Unreachable when the server goes away beside a statement, which the row survives."""
    name = f"sluice migration {step.migration.id}"
    try:
        with (
            opened(run.store, name) as session,
            opened(run.store, f"{name} watch") as second,
            Watch(second, session.info.backend_pid) as watch,
        ):
            _act(run, step, session, watch)
    except psycopg.Error as error:
        text = f"{where(run.store)}: {primary(error)}, beside the statements of migration '{step.migration.name}'"
        raise Unreachable(f"{text}: {tale.AGAIN}") from None


def _act(run: Run, step: Step, session: Session, watch: Watch) -> None:
    if step.action == "mark":
        table.mark(session, step.migration.id, len(step.migration.forward.statements))
    elif step.action == "clear":
        table.clear(session, step.migration.id)
    else:
        Work(run, step, session, watch).go()


def _wrong(session: Session, queries: Sequence[Query]) -> list[str]:
    """Return the names of those that have a row."""
    return [f"'{one.name}'" for one in queries if _row(session, one)]


def _row(session: Session, one: Query) -> bool:
    # A line of its own for the bracket, since the query may end in a comment.
    found = session.execute(f"select exists (\n{one.sql}\n)".encode()).fetchone()
    return bool(found and found[0])
