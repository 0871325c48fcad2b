"""Facts that migrations are judged by: sizes and estimates for the preview, exact counts, and how far integer keys have come."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from sluice.core.errors import Unreachable
from sluice.core.migration.headroom import Key
from sluice.core.store import Store
from sluice.systems.migration_session import opened, where
from sluice.systems.postgres import primary

OURS = "n.nspname not like all (array['pg\\_%', 'information\\_schema', 'sluice\\_history'])"
SIZES = f"""
    select n.nspname || '.' || c.relname, pg_table_size(c.oid), greatest(c.reltuples, 0)::bigint
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'm') and {OURS} order by 1
"""
INDEXES = f"""
    select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join pg_index i on i.indexrelid = c.oid where i.indisvalid and {OURS} order by 1
"""
NAMES = "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
TABLES = f"""
    select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and {OURS} order by 1, 2
"""
# The sequence may be of a larger type than the column that it fills, as before version 10: the smaller one is the end.
KEYS = f"""
    select n.nspname || '.' || c.relname, a.attname, format_type(a.atttypid, a.atttypmod), q.seqrelid::regclass::text,
           coalesce(pg_sequence_last_value(q.seqrelid), q.seqstart),
           least(q.seqmax, case a.atttypid when 'int2'::regtype then 32767 when 'int4'::regtype then 2147483647
                           else 9223372036854775807 end)
    from pg_sequence q join pg_depend d on d.objid = q.seqrelid and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i')
         and d.refclassid = 'pg_class'::regclass
    join pg_class c on c.oid = d.refobjid join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum = d.refobjsubid
    where q.seqincrement > 0 and not q.seqcycle and {OURS} order by 1, 2
"""


def sizes(store: Store) -> dict[str, tuple[int, int]]:
    """Return bytes and estimated rows of each table, by 'schema.table'; indexes are not counted."""
    return {table: (size, rows) for table, size, rows in _asked(store, SIZES)}


def indexes(store: Store) -> list[str]:
    """Return the valid indexes, as 'schema.index'."""
    return [name for (name,) in _asked(store, INDEXES)]


def relations(store: Store) -> list[str]:
    """Return everything that a statement may call a table, as 'schema.name': views, sequences, indexes, and the server's own too."""
    return [name for (name,) in _asked(store, NAMES)]


def counts(store: Store) -> dict[str, int]:
    """Count the rows of each table, by 'schema.table', all in one snapshot; reads every table as a whole."""
    try:
        with opened(store, "sluice", read=True) as session, session.transaction():
            session.execute("set transaction isolation level repeatable read")
            names = session.execute(TABLES.encode()).fetchall()
            return {f"{schema}.{table}": _count(session, schema, table) for schema, table in names}
    except psycopg.Error as error:
        raise Unreachable(f"{where(store)}: {primary(error)}") from None


def _count(session: psycopg.Connection[Any], schema: str, table: str) -> int:
    # ONLY: the rows of a child are counted there.
    found = session.execute(sql.SQL("select count(*) from only {}").format(sql.Identifier(schema, table))).fetchone()
    return int(found[0]) if found else 0


def system(store: Store) -> str:
    """Return the server's own number, which its backups carry."""
    return str(_asked(store, "select system_identifier from pg_control_system()")[0][0])


def headroom(store: Store) -> list[Key]:
    """Return how far each key that a sequence fills has come."""
    names = ("table", "column", "type", "sequence", "last", "most")
    return [Key(**dict(zip(names, row, strict=True))) for row in _asked(store, KEYS)]


def _asked(store: Store, query: str) -> list[tuple[Any, ...]]:
    try:
        with opened(store, "sluice", read=True) as session:
            # The size of a table that somebody has locked is waited for.
            session.execute("set lock_timeout = '10s'")
            return session.execute(query.encode()).fetchall()
    except psycopg.Error as error:
        raise Unreachable(f"{where(store)}: {primary(error)}") from None
