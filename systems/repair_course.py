"""The steps of a repair."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from sluice.core.errors import RestoreFailed
from sluice.core.restore.repair import Row, Step, lines
from sluice.core.wait import until
from sluice.systems import flags
from sluice.systems import repair_table as journal
from sluice.systems.drill import LIMIT, failing
from sluice.systems.lock import Lock, connect
from sluice.systems.repair_rows import lock
from sluice.systems.repair_write import LOCK, NAME, Job, both, load, prove, put, rows_of

POLL = 0.5
READS = f"-c default_transaction_read_only=on -c statement_timeout={LIMIT}"
# Whoever began before the flag was switched may not have seen it.
FLYING = """
    select format('pid %%s (''%%s'' of %%s, since %%s)', pid, application_name, usename, to_char(xact_start, 'HH24:MI:SS'))
    from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
        and xact_start < %s and not starts_with(application_name, 'sluice ') order by xact_start
"""


class Course:
    """One run: what is known so far, and each step."""

    def __init__(self, job: Job, lock: Lock, live: psycopg.Connection[Any], row: Row | None) -> None:
        self.job, self.lock, self.live = job, lock, live
        self.row, self.said = row, list[str]()

    def do(self, step: Step) -> None:
        """Do one step."""
        {Step.PAUSE: self.pause, Step.WAIT: self.wait, Step.MEND: self.mend, Step.RESUME: self.resume}[step]()

    def pause(self) -> None:
        """Write down what the flag is, then switch it."""
        repair, path = self.job.repair, self.job.flags
        if self.row is None:
            was = flags.read(path).get(repair.flag) if repair.flag else None
            self.row = journal.begin(self.live, repair, was=was, by=self.job.by)
        if repair.flag:
            flags.put(path, repair.flag, repair.on)
            self.say(f"'{repair.flag}' is {_word(repair.on)} for every version that runs")

    def wait(self) -> None:
        """Wait for what began before."""
        since = first(self.live, "select clock_timestamp()")
        with connect(self.job.store, NAME, options=READS) as reading:

            def flying() -> list[str]:
                self.lock.check()
                return [*(who for (who,) in reading.execute(FLYING, [since])), *_busy(reading, self.job.repair.in_flight)]

            found = until(flying, lambda some: not some, clock=self.job.clock, deadline=self.job.patience, poll=POLL)
        if found:
            raise RestoreFailed(f"in flight after {self.job.patience:g} s: {', '.join(found)}")
        self.say("nothing is in flight")

    def mend(self) -> None:
        """Bring the rows back; all of it or nothing."""
        job = self.job
        assert self.row is not None
        with both(job) as (live, copy), live.transaction():
            rows = rows_of(job, live, copy)
            lock(live, [one.now.name for one in rows.values()], LOCK)
            changes = load(self.lock, rows, copy)
            moved = put(live, rows, job.repair) if any(one.some(remove=job.repair.remove) for one in changes.values()) else []
            prove(rows, job.repair)
            self.row = journal.mended(live, self.row, changes)
            live.execute("set transaction read only")
            if wrong := [why for query in job.repair.verify for why in failing(live, query, query)]:
                raise RestoreFailed("; ".join(wrong))
            self._still()
        for line in (*lines(changes, remove=job.repair.remove), *moved):
            self.say(line)

    def _still(self) -> None:
        """Look once more, at the last moment, whether it is still for us to write."""
        repair = self.job.repair
        self.lock.check()
        if repair.flag and flags.read(self.job.flags).get(repair.flag) is not repair.on:
            raise RestoreFailed(f"'{repair.flag}' was switched back meanwhile, and rows may have been written")

    def resume(self) -> None:
        """Let go of the flag, and write down that all is done."""
        assert self.row is not None
        for line in freed(self.row, self.job.flags):
            self.say(line)
        journal.end(self.live, self.row, "done")

    def say(self, line: str) -> None:
        """Tell people."""
        self.said.append(line)
        self.job.log(line)


def freed(row: Row, path: Path) -> list[str]:
    """Make a repair's flag what it was; return what was done. One that pauses no more is somebody's own decision."""
    repair = row.repair
    if not repair.flag:
        return []
    if flags.read(path).get(repair.flag) is not repair.on:
        return [f"'{repair.flag}' is {_word(not repair.on)} already, and stays so"]
    if row.was is repair.on:
        return [f"'{repair.flag}' was {_word(repair.on)} before, and stays so"]
    flags.put(path, repair.flag, row.was)
    return [f"'{repair.flag}' is {'not set' if row.was is None else _word(row.was)} again"]


def _word(on: bool) -> str:
    return "on" if on else "off"


def _busy(connection: psycopg.Connection[Any], query: str) -> list[str]:
    """Return what the team's own question says of work in flight: a row, unless it begins with 0, false or nothing."""
    if not query:
        return []
    row = next(connection.cursor().stream(query.encode()), None)
    return [f"{row[0]} by '{query}'"] if row and row[0] else []


def first(connection: psycopg.Connection[Any], query: str) -> Any:
    """Return the first value of a question that always has one."""
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]
