"""One restore on its way: what it is, what speaks against it, and how it begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypedDict

import psycopg

from sluice.core.backup.manifest import Backup, Manifest, scratch
from sluice.core.backup.rule import differs
from sluice.core.backup.schema import digest
from sluice.core.clock import Clock, SystemClock
from sluice.core.diagnosis.finding import dropping
from sluice.core.errors import Refused, RestoreFailed
from sluice.core.restore.order import READONLY, Order, Restore, Restored
from sluice.core.restore.rule import Scene, refusals
from sluice.core.store import Store
from sluice.systems import restore_table as table
from sluice.systems.belonging import put, setting
from sluice.systems.copy import drop
from sluice.systems.lock import Lock, maintained
from sluice.systems.outlook import outlook
from sluice.systems.postgres import answered, primary
from sluice.systems.recover_undo import STEP, Log, mend
from sluice.systems.shape import shape
from sluice.systems.source import SYSTEM, reading
from sluice.systems.swap import LIMIT, busy, end, oid

POLL = 0.05
WAIT = 60.0
PREPARED = "select gid from pg_prepared_xacts where database = %s order by 1"
ROLES = """
    select r.rolname from pg_db_role_setting s join pg_roles r on r.oid = s.setrole cross join unnest(s.setconfig) one
    where s.setdatabase in (0, (select oid from pg_database where datname = %s)) and one like 'default_transaction_read_only=%%' order by 1
"""


class Terms(TypedDict, total=False):
    """How a restore goes: see `systems.recover.from_backup`."""

    refuse: bool
    limit: float
    wait: float
    clock: Clock
    log: Log
    revision: str | None


@dataclass(frozen=True)
class Way:
    """One restore: of what, from what, on whose order, and on which terms."""

    store: Store
    backup: Backup
    order: Order
    refuse: bool = False
    limit: float = LIMIT
    wait: float = WAIT
    clock: Clock = field(default_factory=SystemClock)
    log: Log = print
    revision: str | None = None

    @property
    def copy(self) -> Store:
        """Return the copy that takes the database's place."""
        return self.store.at(scratch(self.store.dbname, self.backup.id))


@contextmanager
def told(store: Store) -> Iterator[None]:
    """Tell what the server says as Unreachable, in its own primary message."""
    with answered(store, lambda error: f"{primary(error)}; `pulumi up` finds out what is, and goes on"):
        yield


def tell(lines: list[str], log: Log) -> None:
    """Say line by line."""
    for line in lines:
        log(line)


def spent(connection: psycopg.Connection[Any], store: Store, order: Order) -> Restored | None:
    """Return what an order has done when it is done already: a row in the server knows it, whatever config and history say."""
    if not table.there(connection):
        return None
    found = table.find(connection, store.dbname, order.nonce)
    if found and order.backup and found.backup != order.backup:
        raise Refused([f"the nonce '{order.nonce}' was used to restore '{found.backup}' in '{store.dbname}': take a word not used before"])
    return result(found, None, [], again=True) if found and found.state == "swapped" else None


def _headline(store: Store) -> str:
    return f"'{store.dbname}' is not restored, nothing was touched:"


def fit(lock: Lock, way: Way, *, making: bool = False) -> None:
    """Refuse what must not begin, with all reasons at once."""
    if found := against(lock.connection, way, making=making):
        raise Refused(found, headline=_headline(way.store))


def against(connection: psycopg.Connection[Any], way: Way, *, making: bool | None = None) -> list[str]:
    """Return what speaks against a restore as things are; `making`: its copy is to be made, None: unless there is one."""
    made = oid(connection, way.copy.dbname) is None if making is None else making
    return refusals(way.store, way.backup, way.copy.dbname, _scene(connection, way, made))


def _scene(connection: psycopg.Connection[Any], way: Way, making: bool) -> Scene:
    row = connection.execute(SYSTEM).fetchone()
    prepared = connection.execute(PREPARED, [way.store.dbname]).fetchall()
    return Scene(
        system=row[0] if row else "",
        live=oid(connection, way.store.dbname) is not None,
        copy_=oid(connection, way.copy.dbname) is not None,
        making=making,
        # A session of this very step may not have gone quite yet.
        busy=tuple(one for one in busy(connection, way.copy.dbname) if f"'sluice {STEP}'" not in one),
        prepared=tuple(gid for (gid,) in prepared),
    )


def kept(lock: Lock, way: Way) -> bool:
    """Say whether a copy is there that can be taken as it is; one that a dead restore has left half made is dropped."""
    if oid(lock.connection, way.copy.dbname) is None:
        return False
    ours = _ours(lock.connection, way.store, way.copy)
    if ours and busy(lock.connection, way.copy.dbname):
        drop(lock.connection, way.copy.dbname)
        return False
    found = changes(way.copy, way.backup.manifest, lock.check)
    if found and ours:
        drop(lock.connection, way.copy.dbname)
    elif found:
        raise Refused([spoiled(way.store, way.backup), *found], headline=_headline(way.store))
    return not found


def _ours(connection: psycopg.Connection[Any], store: Store, copy: Store) -> bool:
    return table.there(connection) and table.maker(connection, store.dbname, copy.dbname)


def strange(store: Store, backup: Backup) -> list[str]:
    """Return how the copy that a backup's drill has kept is no longer what that holds, first what to do: a restore would be refused.

    A copy that is gone is made anew, and so is one that a dead restore has left.
    """
    copy = store.at(scratch(store.dbname, backup.id))
    with told(store), maintained(store, STEP) as connection:
        if oid(connection, copy.dbname) is None or _ours(connection, store, copy):
            return []
        found = changes(copy, backup.manifest, lambda: None)
    return [spoiled(store, backup), *found] if found else []


def spoiled(store: Store, backup: Backup) -> str:
    """Say that a copy does not take the place, and what to do."""
    name = scratch(store.dbname, backup.id)
    return f"the copy '{name}' is not what backup {backup.id} holds, from which it is made anew once it is gone: {dropping(store, name)}"


def changes(copy: Store, manifest: Manifest, look: Callable[[], None]) -> list[str]:
    """Return how a copy differs from the manifest: it may have been written to since its drill."""
    text = shape(copy, look)
    with reading(copy, STEP) as source:
        return differs(manifest, rows=source.rows(look), sequences=source.sequences(), shape=digest(text))


def begin(lock: Lock, way: Way, *, made: bool) -> Restore:
    """Write the order down, and put back what another one may have left."""
    table.prepare(lock.connection)
    mend(lock, way.store, but=way.order.nonce, log=way.log)
    return table.begin(lock.connection, way.store.dbname, way.order, way.copy.dbname, made=made)


def ready(lock: Lock, way: Way, restore: Restore) -> tuple[Restore, list[str]]:
    """Refuse writes when that is wanted, and say what is lost."""
    # Whoever was undoing it may have died between the setting and the row.
    if way.refuse and not (restore.refused and setting(lock.connection, way.store.dbname, READONLY) == "on"):
        restore = _refuse(lock, way, restore)
    lines = outlook(way.store, way.backup)
    tell(lines, way.log)
    return restore, lines


def _refuse(lock: Lock, way: Way, restore: Restore) -> Restore:
    """Let new sessions read only, and end the older ones."""
    connection, name = lock.connection, way.store.dbname
    before = setting(connection, name, READONLY)
    with connection.transaction():
        put(connection, name, READONLY, "on")
        table.refused(connection, restore, refused=True, before=before)
    _drain(lock, way)
    way.log(f"writes to '{name}' are refused")
    for (role,) in connection.execute(ROLES, [name]).fetchall():
        way.log(f"role '{role}' has a setting of its own for that, and may write")
    return restore.model_copy(update={"refused": True, "before": before})


def _drain(lock: Lock, way: Way) -> None:
    row = lock.connection.execute("select extract(epoch from clock_timestamp())::float8").fetchone()
    assert row is not None
    deadline = way.clock.now() + way.limit
    while end(lock.connection, oid(lock.connection, way.store.dbname), since=row[0]):
        if way.clock.now() > deadline:
            raise RestoreFailed(f"sessions of '{way.store.dbname}' did not end: {', '.join(busy(lock.connection, way.store.dbname))}")
        way.clock.wait(POLL)


def result(done: Restore, manifest: Manifest | None, lines: list[str], *, again: bool = False) -> Restored:
    """Return what people are told of a restore that is done."""
    old = f"the old one is kept as '{done.aside}', closed: drop database \"{done.aside}\" when nobody needs it"
    said = f"'{done.copy_}' is '{done.database}' now; nobody could write for {done.seconds:.2f} s; {old}"
    facts = {"database": done.database, "backup": done.backup, "aside": done.aside, "seconds": done.seconds, "again": again}
    return Restored.read({**facts, "revision": manifest.revision if manifest else None, "lines": (*lines, said)})
