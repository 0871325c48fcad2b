"""What a restore has changed, put back: by itself when it fails, by the next one when its deployer died."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from sluice.core.backup.manifest import scratch
from sluice.core.clock import Clock
from sluice.core.errors import Interrupted, Refused
from sluice.core.restore.order import READONLY, Restore
from sluice.core.store import Store
from sluice.systems import restore_table as table
from sluice.systems.aside import protect, quiet
from sluice.systems.belonging import put
from sluice.systems.lock import Lock, connect, held
from sluice.systems.postgres import primary
from sluice.systems.swap import end, oid

STEP = "restore"
Log = Callable[[str], object]


@contextmanager
def undone(lock: Lock, store: Store, restore: Restore, log: Log) -> Iterator[None]:
    """Put back what was changed when the block fails; a lost connection leaves that to the next call."""
    try:
        yield
    except Exception:
        with suppress(psycopg.Error, Interrupted):
            lock.check()
            leave(lock, store, restore, log)
        raise


@contextmanager
def left(store: Store, restore: Restore, *, wait: float, clock: Clock, log: Log) -> Iterator[None]:
    """As `undone`, where the lock is not held."""
    try:
        yield
    except Exception:
        with suppress(psycopg.Error, Interrupted, Refused), held(store, STEP, wait=wait, clock=clock) as lock:
            leave(lock, store, restore, log)
        raise


def mend(lock: Lock, store: Store, *, but: str, log: Log) -> None:
    """Put back what dead restores of a database have left, all but the order that is now taken up."""
    for one in table.unfinished(lock.connection, store.dbname):
        if one.nonce != but:
            leave(lock, store, one, log)


def leave(lock: Lock, store: Store, restore: Restore, log: Log) -> None:
    """Let writes in again, and cut the copy off again."""
    connection = lock.connection
    # It may have been refused since: the table knows.
    now = table.find(connection, restore.database, restore.nonce)
    if now is None or now.state != "begun":
        return
    if now.refused:
        put(connection, now.database, READONLY, now.before)
        _renew(connection, now.database, log)
        log(f"'{now.database}' takes writes again")
    # Only now: whoever dies before that leaves it to the next one.
    table.leave(connection, now)
    # What was put aside comes back as it is, and is closed already: only a drill's copy was opened.
    if now.copy_ == scratch(now.database, now.backup) and oid(connection, now.copy_) is not None:
        _cut(connection, store.at(now.copy_), log)


def _renew(connection: psycopg.Connection[Any], database: str, log: Log) -> None:
    """End the sessions that have begun meanwhile: each would refuse writes until its end, and a pool's may stay for days."""
    try:
        end(connection, oid(connection, database))
    except psycopg.errors.InsufficientPrivilege as error:
        log(f"sessions of '{database}' that have begun meanwhile refuse writes until they are ended: {primary(error)}")


def _cut(connection: psycopg.Connection[Any], copy: Store, log: Log) -> None:
    try:
        for note in quiet(connection, copy.dbname, connection.info.server_version // 10000):
            log(note)
        with connect(copy, STEP) as inside:
            protect(inside)
    except psycopg.Error as error:
        log(f"the copy '{copy.dbname}' may reach other systems, nothing cuts it off: {primary(error)}")
