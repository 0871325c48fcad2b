"""A database takes another's place: both renames in one transaction, which nobody can write beside.

The first rename takes the server's own lock on the live database and waits for its sessions to go. From there until the commit, whoever
connects waits, and nothing is written; a second connection ends the sessions that are there. Nothing of that outlives the transaction: a
deployer that is killed, or a server that is, leaves the old database in place and open. The database is never closed by a statement of
its own, since a deployer that died then would leave it closed.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from sluice.core.clock import Clock
from sluice.core.errors import RestoreFailed
from sluice.core.restore.order import READONLY, Restore, aside
from sluice.systems import restore_table as table
from sluice.systems.belonging import carry, put
from sluice.systems.lock import Lock, maintained
from sluice.systems.postgres import primary

# For as long may writes be refused; runbook 004 has minutes.
LIMIT = 2.0
POLL = 0.02
# An autovacuum worker gives way to the rename by itself, and only a superuser may end one.
OTHERS = "from pg_stat_activity where datid = %s and pid <> pg_backend_pid() and coalesce(backend_type, '') <> 'autovacuum worker'"
END = f"select pg_terminate_backend(pid) {OTHERS}"
BUSY = f"""
    select format('pid %%s (''%%s'' of %%s)', pid, coalesce(nullif(application_name, ''), backend_type), coalesce(usename, 'the server'))
    {OTHERS} order by pid
"""
OID = "select oid::bigint from pg_database where datname = %s"


class Late(Exception):
    """The transaction has taken too long, and is not committed."""


@dataclass(frozen=True)
class Move:
    """One swap: `restore` as it will stand in the table."""

    restore: Restore
    limit: float
    begun: float

    @property
    def passed(self) -> float:
        """Return for how long nobody could write."""
        return time.monotonic() - self.begun


def oid(connection: psycopg.Connection[Any], name: str) -> int | None:
    """Return a database's oid, which a rename does not change; None when there is none of that name."""
    row = connection.execute(OID, [name]).fetchone()
    return int(row[0]) if row else None


def busy(connection: psycopg.Connection[Any], name: str) -> list[str]:
    """Return who is connected to a database, each as people know it."""
    return [str(one) for (one,) in connection.execute(BUSY.encode(), [oid(connection, name)]).fetchall()]


def end(connection: psycopg.Connection[Any], database: int | None, *, since: float | None = None) -> int:
    """End the sessions of a database, of those before a time (seconds since the epoch) only; return how many there were."""
    more = "" if since is None else " and backend_start < to_timestamp(%s)"
    return connection.execute(f"{END}{more}".encode(), [database, *([] if since is None else [since])]).rowcount


def swap(lock: Lock, restore: Restore, *, rows: Mapping[str, int], clock: Clock, limit: float = LIMIT) -> Restore:
    """Put the copy of a restore in its database's place, and the database aside, closed; return the restore as it is written down.

    `rows` are what the new one holds. RestoreFailed when the sessions did not end within `limit` seconds, or the server refuses: then
    nothing is changed and the old one serves. Interrupted when the connection was lost: the next call finds out what is.
    """
    name = aside(restore.database, clock.now(), secrets.token_hex(2))
    found = restore.model_copy(update={"old": oid(lock.connection, restore.database), "aside": name, "rows": dict(rows)})
    move = Move(found, limit, time.monotonic())
    try:
        with maintained(lock.store, "restore") as ender:
            return _run(lock, ender, move)
    except Late:
        raise RestoreFailed(_slow(lock, move)) from None
    except (psycopg.errors.QueryCanceled, psycopg.errors.ObjectInUse, psycopg.errors.LockNotAvailable):
        raise RestoreFailed(_slow(lock, move)) from None
    except psycopg.Error as error:
        lock.check()
        raise RestoreFailed(f"'{restore.copy_}' cannot take the place of '{restore.database}': {primary(error)}; it serves on") from None


def _run(lock: Lock, ender: psycopg.Connection[Any], move: Move) -> Restore:
    """Rename in a thread, and end the sessions from here: the rename waits for them."""
    with ThreadPoolExecutor(1) as pool:
        # Once before, so that the rename, which looks ten times a second, finds nobody.
        end(ender, move.restore.old)
        renaming = pool.submit(_rename, lock.connection, move)
        try:
            while not wait([renaming], POLL).done:
                end(ender, move.restore.old)
        except psycopg.Error:
            # Without this connection the rename may have gone through all the same.
            if renaming.exception():
                raise
        return renaming.result()


def _rename(connection: psycopg.Connection[Any], move: Move) -> Restore:
    restore, limit = move.restore, f"{max(1, round((move.limit - move.passed) * 1000))}ms"
    with connection.transaction():
        connection.execute(f"set local statement_timeout = '{limit}'; set local lock_timeout = '{limit}'".encode())
        _name(connection, restore.database, restore.aside)
        _name(connection, restore.copy_, restore.database)
        if restore.refused:
            put(connection, restore.aside, READONLY, restore.before)
        carry(connection, restore.aside, restore.database)
        _open(connection, restore.database, yes=True)
        _open(connection, restore.aside, yes=False)
        done = restore.model_copy(update={"state": "swapped", "refused": False, "seconds": round(move.passed, 3)})
        table.swapped(connection, done)
        if move.passed > move.limit:
            raise Late
    return done.model_copy(update={"seconds": round(move.passed, 3)})


def _name(connection: psycopg.Connection[Any], old: str, new: str) -> None:
    connection.execute(sql.SQL("alter database {} rename to {}").format(sql.Identifier(old), sql.Identifier(new)))


def _open(connection: psycopg.Connection[Any], name: str, *, yes: bool) -> None:
    """Nobody may connect to what was put aside, so that it is, when it comes back, what it was."""
    connection.execute(sql.SQL("alter database {} allow_connections {}").format(sql.Identifier(name), sql.Literal(yes)))


def _slow(lock: Lock, move: Move) -> str:
    lock.check()
    names = [move.restore.database, move.restore.copy_]
    who = [one for name in names for one in busy(lock.connection, name)]
    held = f": {', '.join(who)}" if who else ""
    said = f"the sessions of {' and '.join(repr(name) for name in names)} did not end within {move.limit:g} s{held}"
    return f"{said}; nothing was swapped, '{move.restore.database}' serves on: end them, then again"
