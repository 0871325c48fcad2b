"""What a database holds, read in one snapshot: rows per table, sequences, where and when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from sluice.core.backup.around import Around
from sluice.core.store import Store
from sluice.systems.around import around
from sluice.systems.lock import connect
from sluice.systems.postgres import answered

# As a dump: it queues behind an exclusive lock no longer than this.
LOCK = "30s"
# Tables whose rows a dump holds: partitions count, not their parents; members of extensions are made by the extension.
TABLES = """
    select n.nspname, c.relname, has_table_privilege(c.oid, 'select'), has_schema_privilege(n.oid, 'usage'), row_security_active(c.oid)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
        and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
        and n.nspname <> 'sluice_aside'
    order by 1, 2
"""
# One that nobody has drawn from stands before its start. The shared view hides what the role may not read: null is told, not skipped.
SEQUENCES = """
    select schemaname || '.' || sequencename, coalesce(last_value, start_value::numeric - increment_by),
           has_sequence_privilege(format('%I.%I', schemaname, sequencename), 'select')
    from pg_sequences where schemaname <> 'sluice_aside' and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass
        and d.objid = format('%I.%I', schemaname, sequencename)::regclass and d.deptype = 'e')
    order by 1
"""
WHERE = """
    select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end::text,
           extract(epoch from now())::float8, current_database(), pg_database_size(current_database()),
           current_setting('server_version'), current_setting('server_version_num')::int / 10000,
           (select rolsuper from pg_roles where rolname = current_user)
"""
# Large objects are in no table of the user's. A restore writes holes as zeros, and pages as it likes: so zeros at their ends do not count.
LARGE = "select count(*) from pg_largeobject_metadata"
CONTENTS = r"""
    select count(*), coalesce(sum(hashtextextended(loid || ' ' || pageno || ' ' || md5(rtrim(data, '\x00')), 0)), 0)
    from pg_largeobject where rtrim(data, '\x00') <> ''
"""
READABLE = "select has_table_privilege('pg_largeobject', 'select')"
SYSTEM = "select system_identifier::text from pg_control_system()"


@dataclass(frozen=True)
class Source:
    """A live database in a read-only transaction; `taken` is in seconds since the epoch, `size` in bytes with indexes."""

    connection: psycopg.Connection[Any]
    snapshot: str
    lsn: str
    taken: float
    database: str
    size: int
    server: str
    major: int
    superuser: bool
    system: str

    def unreadable(self) -> list[str]:
        """Return the tables and sequences that this role may not read, each of which would end a dump."""
        rows = self.connection.execute(TABLES).fetchall()
        tables = [f"table {schema}.{table}" for schema, table, read, use, _ in rows if not (read and use)]
        return tables + [f"sequence {name}" for name, _, read in self.connection.execute(SEQUENCES) if not read]

    def hidden(self) -> list[str]:
        """Return the tables of which row-level security would show this role only some rows."""
        rows = self.connection.execute(TABLES).fetchall()
        return [f"table {schema}.{table}" for schema, table, *_, secured in rows if secured]

    def filled(self) -> bool:
        """Say whether any table has a row, or there is a large object."""
        large, _ = self.large(contents=False)
        return bool(large) or any(self._one("select exists (select from {})", *name) for name in self._names())

    def large(self, *, contents: bool = True) -> tuple[int, str]:
        """Return how many large objects there are, and a digest of their contents; "" where this role may not read them all."""
        count = int(_row(self.connection, LARGE)[0])
        if not (contents and _row(self.connection, READABLE)[0]):
            return count, ""
        pages, digest = _row(self.connection, CONTENTS)
        return count, f"{pages} pages, {digest}"

    def around(self) -> Around:
        """Return the database's own settings and rights."""
        return around(self.connection, self.database)

    def rows(self, look: Callable[[], None]) -> dict[str, int]:
        """Count every table; `look` is called between them and may raise to stop."""
        counts = {}
        for schema, table in self._names():
            look()
            counts[f"{schema}.{table}"] = int(self._one("select count(*) from {}", schema, table))
        return counts

    def sequences(self) -> dict[str, int]:
        """Return each sequence's value now: they know no snapshot."""
        return {name: int(value) for name, value, _ in self.connection.execute(SEQUENCES)}

    def _names(self) -> list[tuple[str, str]]:
        return [(schema, table) for schema, table, *_ in self.connection.execute(TABLES).fetchall()]

    def _one(self, query: LiteralString, schema: str, table: str) -> Any:
        row = self.connection.execute(sql.SQL(query).format(sql.Identifier(schema, table))).fetchone()
        assert row is not None
        return row[0]


@contextmanager
def reading(store: Store, step: str) -> Iterator[Source]:
    """Open one exported snapshot of a database, for as long as the block; Unreachable with the server's own primary message."""
    with session(store, step) as connection:
        begin(connection)
        shot = snap(connection)
        yield source(connection, shot)


@contextmanager
def session(store: Store, step: str) -> Iterator[psycopg.Connection[Any]]:
    """Connect for snapshots, one after the other; Unreachable with the server's own primary message."""
    with answered(store), connect(store, step, autocommit=False) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        yield connection
        connection.rollback()


def begin(connection: psycopg.Connection[Any]) -> None:
    """Begin a transaction that has no snapshot yet: what is set takes none."""
    connection.rollback()
    # Row security would hide rows from the count and from the dump: better an error.
    connection.execute(f"set row_security = off; set lock_timeout = '{LOCK}'; set idle_in_transaction_session_timeout = 0")


@dataclass(frozen=True)
class Shot:
    """A snapshot: the name for other sessions, and `sees`, which transactions of the whole server it sees.

    Two snapshots of one server with the same `sees` are of the same moment: no transaction that wrote has ended in between, whatever its
    database. A standby does not tell.
    """

    name: str
    sees: str


def snap(connection: psycopg.Connection[Any]) -> Shot:
    """Take the snapshot of a transaction that has just begun."""
    name, sees, standby = _row(connection, "select pg_export_snapshot(), pg_current_snapshot()::text, pg_is_in_recovery()")
    return Shot(name, "" if standby else sees)


def source(connection: psycopg.Connection[Any], shot: Shot) -> Source:
    """Return what a transaction with a snapshot can tell."""
    return Source(connection, shot.name, *_row(connection, WHERE), *_row(connection, SYSTEM))


def _row(connection: psycopg.Connection[Any], query: str) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row
