"""Revisions of an Alembic tree in a real database, each in one transaction with its row of Alembic's own table and of the history.

As with SQL files, a run expects to be alone: whoever calls it holds the database's lock, and hands over a `check`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

import psycopg

from sluice.core.errors import MigrationFailed, SluiceError, Superseded, Unreachable
from sluice.core.migration import tale
from sluice.core.migration.alembic import Alembic
from sluice.core.migration.history import Plan, Step
from sluice.core.migration.revision import makes, refusal
from sluice.core.migration.tree import basis
from sluice.core.store import Store
from sluice.systems import migration_table as table
from sluice.systems.alembic_process import LOAD, NAME, Child, asked, clean, first, lost, milliseconds, started
from sluice.systems.alembic_tree import heads, read
from sluice.systems.migration_session import Session, Watch, opened, orphans, where
from sluice.systems.migration_step import How, Run, Work, begun, perform
from sluice.systems.migrations import prepare
from sluice.systems.postgres import primary

GONE = "the connection is gone, and with it the transaction, unless it had just committed"
UNKNOWN = "its transaction has not ended, so what of it stays is not known yet"
LATER = "the next `pulumi up` says what to look at"
UNSAID: dict[str, Any] = {"at": 0, "sql": "", "where": "", "open": False, "gone": False}
# How often a revision that says nothing is looked after.
POLL = 1.0
# Seconds to look at every table of a large database, and at what `env.py` thinks of each.
COMPARE = 600.0
# A process number may be another session's by now, which began later.
OURS = "from pg_stat_activity where pid = %(pid)s and backend_start < %(since)s"
SILENT = f"select state <> 'active', extract(epoch from clock_timestamp() - greatest(state_change, %(asked)s))::float {OURS}"
END = f"select pg_terminate_backend(pid, 5000) {OURS}"
OPEN = "select doing from sluice_history.migration where id = %s and state in ('running', 'reverting')"
DOING = "update sluice_history.migration set doing = %(number)s, error = %(error)s where id = %(id)s"


def run(spec: Alembic, store: Store, plan: Plan, **how: Unpack[How]) -> list[str]:
    """Run a plan, revision by revision, and return the names of what ran; what is raised is as in `systems.migrations.run`."""
    run = begun(store, plan, how)
    if not plan.steps:
        return []
    prepare(store)
    here = _begin(spec, run, plan)
    with started(spec, store) as child:
        pid = int(first(child)["ready"])
        for step in plan.steps:
            run.log(f"migration {step.migration.name}: {step.action}")
            _perform(run, child, pid, step, here=step.migration.id in here)
    return [step.migration.name for step in plan.steps]


def ready(spec: Alembic, store: Store, *, within: float = LOAD) -> None:
    """Make the history's table, and Alembic's own, in so many seconds."""
    prepare(store)
    with started(spec, store) as child:
        first(child)
        asked(child, {"do": "prepare"}, within, f"Alembic's own table cannot be made in {where(store)}")


def drift(spec: Alembic, store: Store, *, within: float = COMPARE) -> list[str]:
    """Return how the models of `env.py` differ from a database, a line each; none where there are no models."""
    if not read(spec).models:
        return []
    with started(spec, store) as child:
        first(child)
        found = asked(child, {"do": "drift"}, within, f"the models of '{spec.folder}' cannot be compared with {where(store)}")
        return [clean(spec, line) for line in found["drift"]]


def _begin(spec: Alembic, job: Run, plan: Plan) -> set[str]:
    """End what a dead deployer has left running, see that all is as planned, forget what was taken back by hand; return what is here."""
    tree = read(spec)
    try:
        with opened(job.store, "sluice") as session:
            for one in orphans(session):
                job.log(f"migration: ended {one}, which a dead deployer had left")
            there, rows = heads(spec, tree, session), table.rows(session)
            if basis(there, rows) != plan.basis:
                raise Superseded(f"{where(job.store)}: its migrations have changed since they were planned: `pulumi up` plans again")
            going = {step.migration.id for step in plan.steps if step.action == "up"}
            table.forget(session, [row.id for row in rows if row.id in going and row.state in ("applied", "reverting")])
            return {one.id for one in tree.revisions}
    except psycopg.Error as error:
        raise Unreachable(f"{where(job.store)}: {primary(error)}") from None


def _perform(job: Run, child: Child, pid: int, step: Step, *, here: bool) -> None:
    if step.action not in ("up", "down") or not here:
        perform(job, step)  # what an older checkout lacks goes back by the SQL that was kept
        return
    name = f"{NAME} {step.migration.id}"
    try:
        with opened(job.store, f"{name} history") as session, opened(job.store, f"{name} watch") as second, Watch(second, pid) as watch:
            Revised(job, step, session, watch, child, pid).go()
    except psycopg.Error as error:
        text = f"{where(job.store)}: {primary(error)}, beside the statements of migration '{step.migration.name}'"
        raise Unreachable(f"{text}: {tale.AGAIN}") from None


class Revised(Work):
    """A revision at work: its history is written here, its statements are sent by the team's Python."""

    def __init__(self, run: Run, step: Step, session: Session, watch: Watch, child: Child, pid: int) -> None:
        super().__init__(run, step, session, watch)
        self.child, self.said = child, UNSAID
        self.script = self.migration.forward
        self.ours = {"pid": pid, "since": self._time()}

    def go(self) -> None:
        """Run the revision; MigrationFailed when it did not go through."""
        self.run.check()
        self._undumped()
        if self.step.action == "down":
            table.adopt(self.session, self.migration)
        self._begin()
        self._patiently(self._once)

    def _once(self) -> None:
        self.child.say(self._order())
        stopped = self._answers()
        if stopped:
            raise stopped
        if "done" in self.said:
            return
        if self.said["state"] == psycopg.errors.LockNotAvailable.sqlstate and not self.said["open"]:
            raise psycopg.errors.LockNotAvailable(self.said["error"])
        raise self._failed(self.said["error"])

    def _order(self) -> dict[str, Any]:
        id, script = self.migration.id, self.script
        limits = {"lock": script.lock_timeout, "statement": script.statement_timeout, "patience": max(self._left(), script.lock_timeout)}
        given = {name: milliseconds(value) for name, value in limits.items()}
        ends: dict[str, Any] = {"files": self.migration.files, "doing": DOING, "end": table.ended(self.step.action), "given": {"id": id}}
        return {"do": self.step.action, "revision": id, "name": self._name(), **given, **ends}

    def _name(self) -> str:
        return f"{NAME} {self.migration.id}"

    def _left(self) -> float:
        return self.run.deadline - self.run.clock.now()

    def _answers(self) -> SluiceError | None:
        """Answer what the revision asks before a statement and before its end, until it has ended; return what stopped it."""
        stopped: SluiceError | None = None
        stop = ""
        while True:
            said = self._heard()
            if said is None:
                raise self._died()
            if "ask" not in said:
                # What the team's code says is for people, and may hold a secret.
                self.said = {key: clean(self.child.spec, value) if isinstance(value, str) else value for key, value in said.items()}
                return stopped
            try:
                stop = stop or self._no(said)
            except SluiceError as error:
                stop, stopped = str(error), error
            self.child.say({"stop": stop})

    def _heard(self) -> dict[str, Any] | None:
        """Return what the revision says next, as long as this deployer may wait for it, and the revision is at work in the database."""
        asked = self._time()
        while not self.child.speaks(POLL):
            try:
                self.run.check()
            except SluiceError:
                self._end()
                raise
            found = self.session.execute(SILENT.encode(), {**self.ours, "asked": asked}).fetchone()
            # One that has noticed says it better.
            if not found and not self.child.speaks(POLL):
                self._end()
                raise MigrationFailed(self._told("its session was ended, and its Python has not noticed", GONE, tale.AGAIN))
            if found and found[0] and found[1] > self.script.statement_timeout:
                self._end()
                raise self._silent()
        return self.child.hear()

    def _time(self) -> Any:
        found = self.session.execute("select clock_timestamp()").fetchone()
        return found and found[0]

    def _end(self) -> None:
        """End the revision, and wait until the server has taken back what it had not committed."""
        self.child.process.kill()
        self.session.execute(END.encode(), self.ours)
        if self.session.execute(f"select {OURS}".encode(), self.ours).fetchone():
            why = f"its session (pid {self.ours['pid']}) does not end: see what it waits for"
            raise MigrationFailed(self._told(why, UNKNOWN, tale.AGAIN))

    def _silent(self) -> MigrationFailed:
        why = f"its Python sent no statement for {self.script.statement_timeout:g} s, and was ended"
        self.said = {**UNSAID, "open": bool(self._doing())}
        return self._failed(why)

    def _died(self) -> MigrationFailed:
        """Say that the program has ended; of what it had committed unseen its row has the doubt."""
        error = lost(self.child, self.migration.name)
        self._end()
        return error

    def _doing(self) -> int | None:
        """Return the statement in doubt, 0 when nothing of the revision was committed; None when it has come to its end."""
        found = self.session.execute(OPEN, [self.migration.id]).fetchone()
        return int(found[0]) if found else None

    def _no(self, said: dict[str, Any]) -> str:
        self.run.check()
        if said["ask"] == "late":
            return self._late(said["files"])
        if said["ask"] == "commit":
            return ""
        reaching = makes(said["sql"])
        if reaching and reaching not in self.migration.up:
            return f"makes the extension {reaching}, which could not be seen before: make it by hand, before the release"
        return refusal(said["sql"], streams=True)

    def _late(self, files: Mapping[str, str]) -> str:
        """Say which file came up only now, and is none that did in the rehearsal."""
        self.run.seen.update(files.values())
        known = self.run.late
        strange = [file for file, print in files.items() if known is not None and print not in known]
        return f"'{strange[0]}', which it loads or reads only as it runs, is not what was rehearsed" if strange else ""

    def _failed(self, why: str, next: str = tale.MEND) -> MigrationFailed:
        """Write the failure into the row, with what is in doubt, and return it."""
        said = self.said
        if said["gone"]:
            return MigrationFailed(self._told(why, GONE, tale.AGAIN))
        doing = max(said["at"], 1) if said["open"] or self._doing() else 0
        error = f"{said['sql']}: {why}" if doing else why
        try:
            table.fail(self.session, self.migration.id, error, action=self.step.action, doing=doing)
        except psycopg.errors.LockNotAvailable:
            # Not to be taken for a lock that the revision has waited for: it must not run twice.
            return MigrationFailed(self._told(why, UNKNOWN, tale.AGAIN))
        if doing:
            return MigrationFailed(self._told(why, "it commits by itself, and what came before stays", LATER))
        return MigrationFailed(self._told(why, tale.unchanged(self.step.action), next))

    def _told(self, why: str, now: str, next: str) -> str:
        said = self.said
        where = said["where"].removesuffix(": ")
        what = ", ".join(part for part in (where, f"'{said['sql']}'" if said["sql"] else "") if part)
        spot = f" at statement {said['at']}" + (f" ({what})" if what else "") if said["at"] else f" ({what})" if what else ""
        return tale.failed(self.migration, action=self.step.action, spot=spot, why=why, now=now, next=next)
