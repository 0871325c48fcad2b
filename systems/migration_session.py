"""Sessions for a migration: with limits, with a name that people see, and with an eye on who stands in the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import psycopg

from sluice.core.errors import Refused, Unreachable
from sluice.core.migration.script import words
from sluice.core.store import Store
from sluice.systems.postgres import primary, private

Session = psycopg.Connection[Any]
# A server that does not answer for this long is not there.
CONNECT = 10
# A server that has vanished is noticed within half a minute, not after the system's two hours.
KEEP: dict[str, Any] = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4}
# Often enough to see who blocks a wait of two seconds.
LOOK = 0.05
BLOCKERS = """
    select pid, application_name, state, query, extract(epoch from clock_timestamp() - coalesce(xact_start, query_start, backend_start)),
           backend_type
    from pg_stat_activity where pid = any(pg_blocking_pids(%s)) and pid <> %s
"""
# A dump holds a lock on every table until its end: DDL would wait for it, and everybody else for the DDL. One that was given
# another name (PGAPPNAME) is known by what it does.
DUMPS = r"""
    select pid, application_name, extract(epoch from clock_timestamp() - coalesce(xact_start, backend_start)) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()
          and (application_name like 'pg\_dump%' or (state = 'active' and query ilike 'copy % to stdout%')) order by backend_start
"""


# What a dead deployer has left running: its own sessions would have closed, so whoever has the lock may end them; the session
# that holds the lock may have such a name too.
ORPHANS = """
    select pid, application_name, pg_terminate_backend(pid, 5000) from pg_stat_activity a
    where datname = current_database() and application_name like 'sluice migration %' and usename = current_user and pid <> pg_backend_pid()
          and not exists (select from pg_locks l where l.pid = a.pid and l.locktype = 'advisory')
"""
ALIVE = "select pid, application_name from pg_stat_activity where pid = any(%s) and application_name like 'sluice migration %%'"


def where(store: Store) -> str:
    """Write where a database is."""
    return f"database {store.host}:{store.port}/{store.dbname}"


@contextmanager
def opened(store: Store, name: str, *, read: bool = False) -> Iterator[Session]:
    """Open a session that commits each statement; Unreachable when the server cannot be asked.

    `name` is its application name; `read` refuses every write.
    """
    private(store.passfile or None)
    try:
        session = psycopg.connect(
            **store.of, **KEEP, connect_timeout=CONNECT, application_name=name, client_encoding="utf8", autocommit=True
        )
    except psycopg.Error as error:
        raise Unreachable(f"{where(store)}: {primary(error)}") from None
    with session:
        if read:
            session.execute("set default_transaction_read_only = on")
        yield session


def limit(session: Session, *, lock: float, statement: float) -> None:
    """Set how long each statement may wait for a lock, and run, in seconds."""
    for name, value in (("lock_timeout", lock), ("statement_timeout", statement)):
        session.execute("select set_config(%s, %s, false)", [name, f"{max(1, round(value * 1000))}ms"])


def dumps(session: Session) -> list[str]:
    """Return the dumps of this database that run, each in words."""
    return [f"{name} (pid {pid}, for {seconds or 0:.0f} s)" for pid, name, seconds in session.execute(DUMPS)]


def orphans(session: Session) -> list[str]:
    """End what is left of an earlier run, wait up to 5 s for each, and return it in words; Refused when one does not end."""
    found = session.execute(ORPHANS).fetchall()
    # The server says false of one that has just gone by itself, too.
    late = [pid for pid, _, gone in found if not gone]
    stay = session.execute(ALIVE, [late]).fetchall() if late else []
    if stay:
        raise Refused([f"{name} (pid {pid}), which a dead deployer has left, does not end: see what it waits for" for pid, name in stay])
    return [f"{name} (pid {pid})" for pid, name, _ in found]


class Watch:
    """A second session that remembers who blocked the first one: after a timeout nobody knows any more."""

    def __init__(self, session: Session, watched: int) -> None:
        """`watched` is the process of the first one's server."""
        self._session, self._watched = session, watched
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="sluice-blockers", daemon=True)
        self.seen: list[str] = []
        self.pids: list[int] = []
        # Seconds of waiting that were seen.
        self.waited = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        last = time.monotonic()
        while not self._over.wait(LOOK):
            begun, last = last, time.monotonic()
            try:
                found = self._session.execute(BLOCKERS, [self._watched, self._watched]).fetchall()
            except psycopg.Error:
                return  # the server is gone, which the watched session tells better
            if found:
                self.waited += last - begun
                self.seen, self.pids = [blocker(*row) for row in found], [row[0] for row in found]


def blocker(pid: int, application: str, state: str | None, query: str | None, seconds: float | None, kind: str | None) -> str:
    """Describe a session that holds a lock; a role without pg_read_all_stats sees little of it."""
    name = application or kind or "no application name"
    return f"pid {pid} ({name}, {state or 'state unknown'}, for {seconds or 0:.0f} s, '{words(query or '')}')"
