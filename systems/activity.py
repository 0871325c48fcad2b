"""What goes on in a PostgreSQL server, for `core.diagnosis`: sessions, locks, slots, indexes, slow statements. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from sluice.core.diagnosis.server import Holder, Session, Slot, Statement
from sluice.core.errors import Unreachable
from sluice.core.restore.order import Aside, Restore
from sluice.core.store import Store, key
from sluice.systems import restore_table
from sluice.systems.lock import MAINTENANCE, connect
from sluice.systems.postgres import primary

STEP = "doctor"
# Of a session that this role may not look into, state and query are null.
SESSIONS = """
    select pid, coalesce(usename, ''), coalesce(datname, ''), coalesce(application_name, ''), coalesce(state, ''),
        coalesce(extract(epoch from clock_timestamp() - state_change), 0)::float8,
        coalesce(extract(epoch from clock_timestamp() - xact_start), 0)::float8,
        case when wait_event_type = 'Lock' then pg_blocking_pids(pid) else '{}' end, left(coalesce(query, ''), 500)
    from pg_stat_activity
    where datid is not null and usesysid is not null and coalesce(backend_type, 'client backend') = 'client backend'
        and application_name <> 'sluice doctor'
"""
MOST = """
    select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0), extract(epoch from clock_timestamp())::float8
"""
SLOTS = """
    select slot_name, active, greatest(0, coalesce(pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn()
        else pg_current_wal_lsn() end, restart_lsn), 0))::bigint, coalesce(wal_status, '') = 'lost'
    from pg_replication_slots order by 1
"""
DATABASES = """
    select datname, case when has_database_privilege(oid, 'connect') or pg_has_role(current_user, 'pg_read_all_stats', 'member')
        then pg_database_size(oid) else 0 end, age(datfrozenxid)
    from pg_database where not datistemplate order by 1
"""
# As systems.lock.HOLDER, from any database of the server.
HOLDER = f"""
    select a.pid, a.application_name, coalesce(host(a.client_addr), 'an address this role may not see'),
        extract(epoch from clock_timestamp() - a.backend_start)::float8
    from pg_locks l join pg_stat_activity a on a.pid = l.pid
    where l.locktype = 'advisory' and l.granted and l.objsubid = 1
        and l.database = (select oid from pg_database where datname = '{MAINTENANCE}')
        and l.classid::bigint = (%(key)s::bigint >> 32) & 4294967295 and l.objid::bigint = %(key)s::bigint & 4294967295
"""
# The whole database's own setting; a role's is that role's.
CLOSED = """
    select d.datname from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase cross join unnest(s.setconfig) one
    where s.setrole = 0 and one like 'default\\_transaction\\_read\\_only=%' and split_part(one, '=', 2)::bool
"""
# One that is being built right now is not valid either.
INVALID = """
    select format('%I.%I', n.nspname, c.relname), format('%I.%I', n.nspname, t.relname)
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid
    join pg_namespace n on n.oid = c.relnamespace
    where not i.indisvalid and c.relkind = 'i' and n.nspname !~ '^pg_'
        and not exists (select from pg_stat_progress_create_index p where p.index_relid = i.indexrelid)
    order by 1
"""
EXTENSION = "select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_stat_statements'"
STATEMENTS = """
    select calls, mean_exec_time / 1000, left(query, 500) from {}
    where dbid = (select oid from pg_database where datname = current_database()) order by total_exec_time desc limit 5
"""
# As the role finds it, by its search path, as Alembic itself does.
ALEMBIC = "select to_regclass('alembic_version') is not null"


@dataclass(frozen=True)
class Activity:
    """A server at one moment: `most` connections, `clock` in seconds since the epoch; by database its bytes and its age in transactions.

    `closed` are the databases that refuse writes, by a setting of their own; `restores` those that have begun and not ended.
    """

    sessions: list[Session]
    most: int
    clock: float
    slots: list[Slot]
    sizes: dict[str, int]
    ages: dict[str, int]
    holders: list[Holder]
    asides: list[Aside]
    closed: list[str]
    restores: list[Restore]


def look(store: Store, databases: list[str], *, timeout: float) -> Activity:
    """Look at a server, asking through one of its databases; `databases` are those whose locks are meant. Unreachable within `timeout`."""
    with _asked(store, timeout) as connection:
        most, clock = _all(connection, MOST)[0]
        found = _all(connection, DATABASES)
        put, begun = _restores(store, databases, timeout) if MAINTENANCE in {name for name, *_ in found} else ([], [])
        return Activity(
            sessions=[Session(*row) for row in _all(connection, SESSIONS)],
            most=most,
            clock=clock,
            slots=[Slot(*row) for row in _all(connection, SLOTS)],
            sizes={name: size for name, size, _ in found},
            ages={name: age for name, _, age in found},
            holders=[one for name in databases for one in _holders(connection, name)],
            asides=put,
            closed=[name for (name,) in _all(connection, CLOSED)],
            restores=begun,
        )


def _restores(store: Store, databases: list[str], timeout: float) -> tuple[list[Aside], list[Restore]]:
    with _asked(store.at(MAINTENANCE), timeout) as connection:
        if not restore_table.readable(connection):
            return [], []
        return (
            [one for name in databases for one in restore_table.asides(connection, name)],
            [one for name in databases for one in restore_table.unfinished(connection, name)],
        )


def holders(store: Store, *, timeout: float) -> list[Holder]:
    """Return who holds the lock of a database; Unreachable within `timeout` seconds."""
    with _asked(store, timeout) as connection:
        return _holders(connection, store.dbname)


def _holders(connection: psycopg.Connection[Any], name: str) -> list[Holder]:
    return [Holder(name, *row) for row in connection.execute(HOLDER.encode(), {"key": key(name)})]


@dataclass(frozen=True)
class Inside:
    """What is in one database: invalid indexes with their tables; slow statements, None where nobody counts them, and why; Alembic's own
    heads, none where it has no table."""

    indexes: list[tuple[str, str]]
    statements: list[Statement] | None
    uncounted: str
    heads: list[str]


def inside(store: Store, *, timeout: float) -> Inside:
    """Look into one database; Unreachable within `timeout` seconds."""
    with _asked(store, timeout) as connection:
        indexes = [(str(index), str(table)) for index, table in _all(connection, INVALID)]
        heads = (
            [str(head) for (head,) in _all(connection, "select version_num from alembic_version")]
            if _all(connection, ALEMBIC)[0][0]
            else []
        )
        statements, why = _statements(connection)
        return Inside(indexes=indexes, statements=statements, uncounted=why, heads=heads)


def _statements(connection: psycopg.Connection[Any]) -> tuple[list[Statement] | None, str]:
    where = _all(connection, EXTENSION)
    if not where:
        return None, "pg_stat_statements is not in this database: only what runs now is seen"
    query = sql.SQL(STATEMENTS).format(sql.Identifier(where[0][0], "pg_stat_statements"))
    try:
        return [Statement(*row) for row in connection.execute(query)], ""
    except psycopg.Error as error:
        return None, primary(error)


@contextmanager
def _asked(store: Store, timeout: float) -> Iterator[psycopg.Connection[Any]]:
    limit = f"-c statement_timeout={timeout * 1000:.0f} -c lock_timeout={timeout * 1000:.0f} -c default_transaction_read_only=on"
    try:
        with connect(store, STEP, connect_timeout=max(1, round(timeout)), options=limit) as connection:
            yield connection
    except psycopg.Error as error:
        raise Unreachable(f"database {store.place}: {primary(error)}") from None


def _all(connection: psycopg.Connection[Any], query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query.encode()).fetchall()
