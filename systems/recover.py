"""A database goes back to what a backup holds, by a copy that takes its place; never by a restore over it.

The copy is the one that the backup's drill has kept, or a new one, restored and compared in the same way while the old database serves.
What a deployer had begun when it died, the next call takes up, or puts back when it wants something else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Unpack

from sluice.core.backup.manifest import Backup
from sluice.core.clock import Clock, SystemClock
from sluice.core.errors import Refused, RestoreFailed
from sluice.core.restore.order import Aside, Order, Restore, Restored, expired
from sluice.core.store import Store
from sluice.systems import recover_undo as undo
from sluice.systems import restore_table as table
from sluice.systems.aside import open_copy
from sluice.systems.copy import clear, drop
from sluice.systems.drill import drill
from sluice.systems.lock import Lock, connect, held, maintained
from sluice.systems.outlook import since
from sluice.systems.recover_undo import STEP, Log, left, undone
from sluice.systems.recover_way import WAIT, Terms, Way, begin, fit, kept, ready, result, spent, tell, told
from sluice.systems.swap import LIMIT, swap


def from_backup(
    store: Store,
    backup: Backup,
    order: Order,
    *,
    checks: Mapping[str, str] | None = None,
    jobs: int = 1,
    **terms: Unpack[Terms],
) -> Restored:
    """Put what a backup holds in the place of its database, which is put aside.

    The copy that the backup's drill has kept is taken as it is when it is what the manifest says, which saves minutes. Without one the
    backup is restored beside the database, and proved as a drill does, whose `checks` and `jobs` these are; one that a dead restore has
    left half made is made anew, and another one is Refused. `refuse` refuses writes from the start, for a database that is being
    corrupted. `revision` is what its schema is at now, which is written down with what is put aside. `limit`: seconds without writes
    during the swap itself; `wait`: seconds for the lock to come. An order that is done is not done again.
    Refused before anything is touched; BackupFailed when the copy is not what the manifest says; RestoreFailed when the swap did not go
    through. After each of them the old database serves, and takes writes.
    """
    way = Way(store, backup, order, **terms)
    with _locked(way) as lock:
        if done := spent(lock.connection, store, order):
            return done
        tell(clear(lock.connection, way.copy.dbname), way.log)
        there = kept(lock, way)
        fit(lock, way, making=not there)
        restore = begin(lock, way, made=not there)
        with undone(lock, store, restore, way.log):
            restore, lines = ready(lock, way, restore)
    # The drill takes the lock itself.
    if not there:
        with left(store, restore, wait=way.wait, clock=way.clock, log=way.log):
            drill(store, backup, checks=checks, jobs=jobs, wait=way.wait, clock=way.clock)
    with _locked(way) as lock, undone(lock, store, restore, way.log):
        fit(lock, way)
        return _place(lock, way, restore, lines)


def back(
    store: Store,
    order: Order,
    *,
    limit: float = LIMIT,
    wait: float = WAIT,
    clock: Clock | None = None,
    log: Log = print,
    revision: str | None = None,
) -> Restored:
    """Put what was put aside in its place again; the restored database is put aside in turn, so that this can be taken back too.

    `order.backup` is the aside database's name, "" the newest; all else is as in `from_backup`.
    """
    clock = clock or SystemClock()
    with told(store), held(store, STEP, wait=wait, clock=clock) as lock:
        if done := spent(lock.connection, store, order):
            return done
        table.prepare(lock.connection)
        aside = chosen(store, table.asides(lock.connection, store.dbname), order.backup)
        undo.mend(lock, store, but=order.nonce, log=log)
        now = table.current(lock.connection, store.dbname)
        lines = [f"'{store.dbname}' is again what was put aside as '{aside.name}'", *since(store, now)]
        tell(lines, log)
        named = order.model_copy(update={"backup": aside.name})
        restore = table.begin(lock.connection, store.dbname, named, aside.name, made=False).model_copy(update={"revision": revision})
        try:
            return result(swap(lock, restore, rows={}, clock=clock, limit=limit), None, lines)
        except RestoreFailed:
            table.leave(lock.connection, restore)
            raise


def asides(store: Store) -> list[Aside]:
    """Return the databases that were put aside for others, newest first: each is there until somebody drops it."""
    with told(store), maintained(store, STEP) as connection:
        return table.asides(connection, store.dbname)


def done(store: Store, order: Order) -> bool:
    """Say whether an order is done; Refused when its nonce was used for another one."""
    with told(store), maintained(store, STEP) as connection:
        return spent(connection, store, order) is not None


def retire(store: Store, keep: float, *, asked: Collection[str] = (), wait: float = WAIT, clock: Clock | None = None) -> list[Aside]:
    """Drop what was put aside more than `keep` seconds ago, but for the newest, what a restore is at work on, and the names `asked` for;
    return what is gone."""
    clock = clock or SystemClock()
    with told(store), held(store, STEP, wait=wait, clock=clock) as lock:
        gone = expired(table.asides(lock.connection, store.dbname), keep, clock.now())
        used = {*asked, *(one.copy_ for one in table.unfinished(lock.connection, store.dbname))} if gone else set()
        free = [one for one in gone if one.name not in used]
        for one in free:
            drop(lock.connection, one.name)
        return free


def mend(store: Store, *, wait: float = WAIT, clock: Clock | None = None, log: Log = print) -> None:
    """Put back what a restore had changed when its deployer died: writes are let in again, and a copy is cut off again."""
    with told(store), maintained(store, STEP) as connection:
        if not (table.there(connection) and table.unfinished(connection, store.dbname)):
            return
    with told(store), held(store, STEP, wait=wait, clock=clock) as lock:
        undo.mend(lock, store, but="", log=log)


@contextmanager
def _locked(way: Way) -> Iterator[Lock]:
    with told(way.store), held(way.store, STEP, wait=way.wait, clock=way.clock) as lock:
        yield lock


def _place(lock: Lock, way: Way, restore: Restore, lines: list[str]) -> Restored:
    late = open_copy(way.copy)
    lock.check()
    _analyze(way.copy)
    lock.check()
    known = restore.model_copy(update={"revision": way.revision})
    done = swap(lock, known, rows=way.backup.manifest.rows, clock=way.clock, limit=way.limit)
    tell(late, way.log)
    return result(done, way.backup.manifest, [*lines, *late])


def _analyze(copy: Store) -> None:
    """A restored database knows nothing of its values, and its first queries would take the worst ways."""
    with connect(copy, STEP) as connection:
        connection.execute("analyze")


def current(store: Store) -> Restore | None:
    """Return the last restore that took a database's place, None when there was none."""
    with told(store), maintained(store, STEP) as connection:
        return table.current(connection, store.dbname) if table.there(connection) else None


def chosen(store: Store, found: list[Aside], name: str) -> Aside:
    """Return the one of that name, with "" the newest; Refused when it is none of a database's."""
    one = next((one for one in found if not name or one.name == name), None)
    if one is None:
        names = f"there {'are' if len(found) > 1 else 'is'} {', '.join(aside.name for aside in found)}" if found else "there is none"
        wanted = f"'{name}' was not put aside" if name else "nothing was put aside"
        raise Refused([f"{wanted} of '{store.dbname}', {names}"])
    return one
