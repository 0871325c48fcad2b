"""What a repair writes: the chosen rows of all its tables, beside the live ones, and in their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from sluice.core.backup.manifest import Backup, scratch
from sluice.core.clock import Clock, SystemClock
from sluice.core.errors import Refused, RestoreFailed
from sluice.core.restore.repair import Change, Part, Repair, Table, ordered, refusals
from sluice.core.store import Store
from sluice.systems.lock import OPTIONS, Lock, connect
from sluice.systems.recover_undo import Log
from sluice.systems.repair_rows import PLAIN, Rows, links, table

NAME = "repair"
# Conditions are people's own, and may call anything: the copy is the quick way back of the whole database too.
FIXED = f"{OPTIONS} -c default_transaction_read_only=on"
# Who waits for a table holds the lock of the data meanwhile, in seconds.
LOCK = 10.0
# For the lock of the data, and for work in flight, in seconds; runbook 003 names no time.
WAIT, PATIENCE = 60.0, 300.0


@dataclass(frozen=True, kw_only=True)
class Job:
    """One repair: of what, from what, with whose flags. `again` and `resume` are the commands that people are told; `wait` and `patience`
    as the constants of this module."""

    store: Store
    backup: Backup
    repair: Repair
    flags: Path
    again: str = "run it again"
    resume: str = "switch the flag"
    by: str = ""
    wait: float = WAIT
    patience: float = PATIENCE
    clock: Clock = field(default_factory=SystemClock)
    log: Log = print

    @property
    def copy(self) -> Store:
        """Return the database that has the backup's rows."""
        return self.store.at(scratch(self.store.dbname, self.backup.id))


def headline(job: Job) -> str:
    """Return what stands above the reasons of a refusal."""
    return f"'{job.store.dbname}' is not repaired, nothing was touched:"


@contextmanager
def both(job: Job) -> Iterator[tuple[psycopg.Connection[Any], psycopg.Connection[Any]]]:
    """Connect to the live database and to the copy, which write and read values in one way; the copy stays what the backup holds."""
    with connect(job.store, NAME) as live, connect(job.copy, NAME, options=FIXED) as copy:
        for connection in (live, copy):
            connection.execute(PLAIN)
        live.execute("select set_config('lock_timeout', %s, false)", [f"{LOCK * 1000:.0f}ms"])
        yield live, copy


def rows_of(job: Job, live: psycopg.Connection[Any], copy: psycopg.Connection[Any]) -> dict[str, Rows]:
    """Return the chosen rows, by table, in the order in which they can be written; Refused where they cannot."""
    found = [(part, table(live, part.table)) for part in job.repair.parts]
    named = {one.name if one else part.table: (part, one) for part, one in found}
    now = {name: one for name, (_, one) in named.items()}
    then = {name: table(copy, name) for name in named}
    keys = links(live)
    wrong = ["two of the tables are the same one: name it once"] if len(named) < len(found) else []
    if wrong := [*wrong, *refusals(now, then, keys, remove=job.repair.remove)]:
        raise Refused(wrong, headline=headline(job))
    made = {name: _rows(live, now[name], then[name], named[name][0], place) for place, name in enumerate(named)}
    return {name: made[name] for name in ordered(made, keys)}


def _rows(live: psycopg.Connection[Any], now: Table | None, then: Table | None, part: Part, place: int) -> Rows:
    assert now is not None
    assert then is not None
    return Rows(live, now, then, part, place)


def load(lock: Lock, rows: Mapping[str, Rows], copy: psycopg.Connection[Any]) -> dict[str, Change]:
    """Bring the backup's rows over, and count how the live ones differ, by table."""
    for one in rows.values():
        lock.check()
        one.load(copy)
    return {name: one.change() for name, one in rows.items()}


def put(live: psycopg.Connection[Any], rows: Mapping[str, Rows], repair: Repair) -> list[str]:
    """Write the rows: what goes from the last table to the first, what comes the other way; foreign keys are checked, always."""
    modes = {} if repair.triggers else {name: one.quiet() for name, one in rows.items()}
    if repair.remove:
        for one in reversed(list(rows.values())):
            one.remove()
    for one in rows.values():
        one.put()
    # Those that were deferred speak now, and no trigger can be turned on while they have not.
    live.execute("set constraints all immediate")
    for name, mode in modes.items():
        rows[name].loud(mode)
    return [line for one in rows.values() for line in one.advance()]


def prove(rows: Mapping[str, Rows], repair: Repair) -> None:
    """See that the rows are those of the backup now; a trigger of the team's may have its own idea of them."""
    differ = [name for name, one in rows.items() if one.change().some(remove=repair.remove)]
    if differ and not repair.triggers:
        raise RestoreFailed(
            f"rows of {', '.join(differ)} are not those of the backup after they were written: a rule, or a trigger, changes them"
        )
