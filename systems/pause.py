"""Writers held up for a moment: they wait at a lock, and none of them fails; who reads goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import psycopg
from psycopg import sql

from sluice.core.errors import Refused
from sluice.core.store import Store
from sluice.systems.lock import connect
from sluice.systems.source import TABLES

# The longest that one try holds writers up in a database, before it lets go and they go on.
HOLD = "500ms"
# Who may set it finds a deadlock before the writer does, and gives up in its place; and makes autovacuum step aside.
DEADLOCK = "100ms"
HELD = """
    select n.nspname, c.relname from pg_locks l join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = c.relnamespace
    where l.locktype = 'relation' and l.pid = pg_backend_pid() and l.mode = 'ShareLock' and l.granted
"""
# Longer than any moment takes; a deployer that is stopped meanwhile (Ctrl-Z, a machine that sleeps) lets writers go then.
STILL = "5s"
GIVEN_UP = (psycopg.errors.QueryCanceled, psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable)


class Busy(Exception):
    """Some writer was not done in time."""


@contextmanager
def sessions(stores: Sequence[Store], step: str) -> Iterator[list[psycopg.Connection[Any]]]:
    """Connect to each database, to hold writers up from there."""
    with ExitStack() as stack:
        yield [stack.enter_context(connect(store, step, autocommit=False)) for store in stores]


@contextmanager
def paused(connections: Sequence[psycopg.Connection[Any]]) -> Iterator[None]:
    """Hold up whoever writes to a table of any of these databases, once all who are writing have ended; Busy when they do not."""
    try:
        for connection in connections:
            _hold(connection)
        yield
        for connection in connections:
            connection.rollback()
    except GIVEN_UP as error:
        raise Busy(str(error).partition("\n")[0]) from None
    except (psycopg.errors.IdleInTransactionSessionTimeout, psycopg.OperationalError):
        raise Refused(
            [f"writers were held up and this deployer stood still for {STILL}, so that the server let them go: `pulumi up` again"]
        ) from None
    finally:
        for connection in connections:
            # The server may have ended it.
            with suppress(psycopg.Error):
                connection.rollback()


def _hold(connection: psycopg.Connection[Any]) -> None:
    connection.execute(f"set local statement_timeout = '{HOLD}'".encode())
    connection.execute(f"set local idle_in_transaction_session_timeout = '{STILL}'".encode())
    _eager(connection)
    while tables := _free(connection):
        _lock(connection, tables)


def _eager(connection: psycopg.Connection[Any]) -> None:
    row = connection.execute("select rolsuper from pg_roles where rolname = current_user").fetchone()
    if row and row[0]:
        connection.execute(f"set local deadlock_timeout = '{DEADLOCK}'".encode())


def _free(connection: psycopg.Connection[Any]) -> list[tuple[str, str]]:
    """Return the tables that are not held yet: one may have been made meanwhile."""
    held = set(connection.execute(HELD).fetchall())
    return [(schema, table) for schema, table, *_ in connection.execute(TABLES).fetchall() if (schema, table) not in held]


def _lock(connection: psycopg.Connection[Any], tables: Sequence[tuple[str, str]]) -> None:
    names = sql.SQL(", ").join(sql.SQL("only {}").format(sql.Identifier(*name)) for name in tables)
    try:
        connection.execute(sql.SQL("lock table {} in share mode").format(names))
    except psycopg.errors.InsufficientPrivilege as error:
        user, why = connection.info.user, error.diag.message_primary
        text = f"'{user}' may not hold up the writers of '{connection.info.dbname}' ({why}): grant MAINTAIN on its tables to {user}"
        raise Refused([f"{text}, or remove sluice:rollout.backup.pause"]) from None
