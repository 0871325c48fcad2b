"""One step at a time on a database: a session-level advisory lock on a connection of its own.

The connection goes to `sluice_maintenance`, so that the lock survives a rename of the database it protects. Ending its backend is the
fence: the step that holds it looks (`check`) between its statements, and stops.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg import sql

from sluice.core.clock import Clock, SystemClock
from sluice.core.errors import Interrupted, Refused, Unreachable
from sluice.core.store import Store, key
from sluice.systems.postgres import primary, private

MAINTENANCE = "sluice_maintenance"
POLL = 0.2
CONNECT = 10
# The server notices a deployer that has vanished within 30 + 3 * 10 s; an idle limit of the server's must not end the lock.
OPTIONS = (
    "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3 -c tcp_user_timeout=60000 "
    "-c idle_session_timeout=0 -c statement_timeout=0"
)
SILENCE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}
HOLDER = """
    select a.pid, a.application_name, coalesce(host(a.client_addr), 'an address this role may not see'), a.backend_start
    from pg_locks l join pg_stat_activity a on a.pid = l.pid
    where l.locktype = 'advisory' and l.granted and l.objsubid = 1
        and l.database = (select oid from pg_database where datname = current_database())
        and l.classid::bigint = (%(key)s::bigint >> 32) & 4294967295 and l.objid::bigint = %(key)s::bigint & 4294967295
"""


class Lock:
    """A lock that is held as long as its session lives."""

    def __init__(self, connection: psycopg.Connection[Any], step: str, store: Store) -> None:
        self.connection, self.step, self.store = connection, step, store

    @property
    def pid(self) -> int:
        """Return the server process that holds it."""
        return self.connection.info.backend_pid

    def alive(self) -> bool:
        """Ask the server whether the session is still there."""
        try:
            self.connection.execute("select 1")
        except psycopg.Error:
            return False
        return True

    def check(self) -> None:
        """Raise Interrupted when the session is gone: somebody else may hold the lock by now."""
        if not self.alive():
            raise Interrupted(
                f"{self.step} of {self.store.place} lost its lock: its session was ended; see who did, then `pulumi up` again"
            )


@contextmanager
def held(store: Store, step: str, *, wait: float = 60.0, clock: Clock | None = None) -> Iterator[Lock]:
    """Hold the lock of a database (`store.dbname`) for one step, a word like backup.

    Refused when another step holds it for longer than `wait` seconds, or when a pooler is in between; Unreachable when the server is not
    there.
    """
    with maintained(store, step) as connection:
        try:
            _direct(connection, store)
            _take(connection, store, step, wait, clock or SystemClock())
        except psycopg.Error as error:
            raise Unreachable(f"database {store.at(MAINTENANCE).place}: {primary(error)}") from None
        yield Lock(connection, step, store)


@contextmanager
def maintained(store: Store, step: str) -> Iterator[psycopg.Connection[Any]]:
    """Connect to the maintenance database, which is made when it is missing; every statement is committed on its own."""
    try:
        connection = _open(store, step)
    except psycopg.Error as error:
        raise Unreachable(f"database {store.at(MAINTENANCE).place}: {primary(error)}") from None
    try:
        yield connection
    finally:
        # A session that was ended cannot be closed again.
        with suppress(psycopg.Error):
            connection.close()


def connect(store: Store, step: str, **more: Any) -> psycopg.Connection[Any]:
    """Connect under the name `sluice <step>`, every statement committed on its own; psycopg.Error when that fails."""
    private(store.passfile or None)
    fixed = {"connect_timeout": CONNECT, "application_name": f"sluice {step}", "client_encoding": "utf8", "autocommit": True}
    return psycopg.connect(**{**store.of, **SILENCE, **fixed, "options": OPTIONS, **more})


def _open(store: Store, step: str) -> psycopg.Connection[Any]:
    try:
        return connect(store.at(MAINTENANCE), step)
    except psycopg.OperationalError as error:
        if f'database "{MAINTENANCE}" does not exist' not in str(error):
            raise
    _create(store, step)
    return connect(store.at(MAINTENANCE), step)


def _create(store: Store, step: str) -> None:
    """Make the maintenance database from template0, which nobody is connected to; another step may be making it now."""
    with _somewhere(store, step) as connection, suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
        connection.execute(sql.SQL("create database {} template template0").format(sql.Identifier(MAINTENANCE)))


def _somewhere(store: Store, step: str) -> psycopg.Connection[Any]:
    try:
        return connect(store.at("postgres"), step)
    except psycopg.OperationalError:
        return connect(store, step)


def _direct(connection: psycopg.Connection[Any], store: Store) -> None:
    """Refuse a pooler: it gives the session, and with it the lock, to others. It makes up its own backend numbers."""
    row = connection.execute("select pg_backend_pid()").fetchone()
    if row and row[0] != connection.info.backend_pid:
        raise Refused([f"{store.host}:{store.port} is a pooler, and a lock needs a session of its own: name the server itself"])


def _take(connection: psycopg.Connection[Any], store: Store, step: str, wait: float, clock: Clock) -> None:
    deadline = clock.now() + wait
    while not _try(connection, store):
        if clock.now() >= deadline:
            raise Refused([_busy(connection, store, step, wait)])
        clock.wait(POLL)


def _try(connection: psycopg.Connection[Any], store: Store) -> bool:
    row = connection.execute("select pg_try_advisory_lock(%s)", [key(store.dbname)]).fetchone()
    return bool(row and row[0])


def _busy(connection: psycopg.Connection[Any], store: Store, step: str, wait: float) -> str:
    row = connection.execute(HOLDER, {"key": key(store.dbname)}).fetchone()
    said = f"{step} of {store.place} waited {wait:g} s for its lock"
    if row is None:
        return f"{said}, which was let go just now: try again"
    pid, name, address, since = row
    ending = f"if it hangs, psql -h {store.host} -p {store.port} -d {MAINTENANCE} -c 'select pg_terminate_backend({pid})'"
    return f"{said}, held by '{name}' (pid {pid}, from {address}, since {since:%Y-%m-%d %H:%M:%S %Z}): wait for it; {ending}"
