"""The restores of a server, in a table in `sluice_maintenance`: written in the same transaction as what it tells of.

A database keeps its oid when it is renamed, so the table knows each one under whatever name.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from sluice.core.restore.order import Aside, Order, Restore

# `public` of a database of ours: a schema named like a role would be in front of it.
TABLE = """
    create table if not exists public.sluice_restore (
        place bigint generated always as identity primary key,
        database text not null, nonce text not null, backup text not null, release text not null, copy_ text not null, made bool not null,
        state text not null default 'begun', refused bool not null default false, before text,
        revision text, old oid, aside text not null default '', rows jsonb not null default '{}', seconds float8 not null default 0,
        begun timestamptz not null default clock_timestamp(), ended timestamptz,
        unique (database, nonce)
    )
"""
# What an older table lacks; asked for first, as adding it waits for whoever is at the table.
LACKS = """
    select not exists (select from pg_attribute where attrelid = 'public.sluice_restore'::regclass and attname = 'revision')
"""
ADD = "alter table public.sluice_restore add column if not exists revision text"
COLUMNS = "database, nonce, backup, release, copy_, made, state, refused, before, old::bigint, aside, rows, seconds"
# One that was put aside twice is told once, as of the last time.
ASIDES = """
    select database, name, since, size, backup, revision from (
        select distinct on (d.oid) r.place, r.database, d.datname as name, extract(epoch from r.ended)::float8 as since,
            pg_database_size(d.oid) as size, r.backup, to_jsonb(r) ->> 'revision' as revision
        from public.sluice_restore r join pg_database d on d.oid = r.old
        where r.state = 'swapped' and r.database = %s and d.datname <> r.database order by d.oid, r.place desc
    ) found order by place desc
"""


def prepare(connection: psycopg.Connection[Any]) -> None:
    """Make the table unless it is there, and what has been added to it since."""
    if not there(connection):
        connection.execute(TABLE)
    elif connection.execute(LACKS).fetchone() == (True,):
        connection.execute(ADD)


def there(connection: psycopg.Connection[Any]) -> bool:
    """Say whether any restore was ever begun on this server."""
    row = connection.execute("select to_regclass('public.sluice_restore') is not null").fetchone()
    return bool(row and row[0])


def readable(connection: psycopg.Connection[Any]) -> bool:
    """Say whether there is anything about restores that this role may read."""
    row = connection.execute("select has_table_privilege(to_regclass('public.sluice_restore'), 'select')").fetchone()
    return bool(row and row[0])


def find(connection: psycopg.Connection[Any], database: str, nonce: str) -> Restore | None:
    """Return what has become of an order, None when it was never begun."""
    return next(iter(_read(connection, "database = %s and nonce = %s", [database, nonce])), None)


def unfinished(connection: psycopg.Connection[Any], database: str) -> list[Restore]:
    """Return the restores of a database that were begun and not ended."""
    return _read(connection, "database = %s and state = 'begun'", [database])


def current(connection: psycopg.Connection[Any], database: str) -> Restore | None:
    """Return the last restore that took the database's place."""
    return next(iter(_read(connection, "database = %s and state = 'swapped' order by place desc limit 1", [database])), None)


def maker(connection: psycopg.Connection[Any], database: str, copy: str) -> bool:
    """Say whether a restore, dead or alive, has made a copy that no restore has put in place."""
    return bool(_read(connection, "database = %s and copy_ = %s and made and state <> 'swapped'", [database, copy]))


def _read(connection: psycopg.Connection[Any], where: str, values: list[Any]) -> list[Restore]:
    cursor = connection.cursor(row_factory=dict_row)
    cursor.execute(f"select {COLUMNS} from public.sluice_restore where {where}".encode(), values)
    return [Restore.read(row) for row in cursor.fetchall()]


def begin(connection: psycopg.Connection[Any], database: str, order: Order, copy: str, *, made: bool) -> Restore:
    """Write an order down, or take up one that was begun or left; return it as it is then."""
    connection.execute(
        "insert into public.sluice_restore (database, nonce, backup, release, copy_, made) values (%s, %s, %s, %s, %s, %s)"
        " on conflict (database, nonce) do update set state = 'begun', made = sluice_restore.made or excluded.made",
        [database, order.nonce, order.backup, order.release, copy, made],
    )
    found = find(connection, database, order.nonce)
    assert found is not None
    return found


def refused(connection: psycopg.Connection[Any], restore: Restore, *, refused: bool, before: str | None) -> None:
    """Write down that writes are refused, or let in again, and what the setting had been."""
    query = "update public.sluice_restore set refused = %s, before = %s where database = %s and nonce = %s"
    connection.execute(query, [refused, before, restore.database, restore.nonce])


def leave(connection: psycopg.Connection[Any], restore: Restore) -> None:
    """Write down that a restore was undone."""
    query = "update public.sluice_restore set state = 'left', refused = false, ended = clock_timestamp() where database = %s and nonce = %s"
    connection.execute(query, [restore.database, restore.nonce])


def swapped(connection: psycopg.Connection[Any], restore: Restore) -> None:
    """Write down that the copy is in place: part of the transaction that puts it there."""
    connection.execute(
        "update public.sluice_restore set state = 'swapped', refused = false, revision = %s, old = %s, aside = %s, rows = %s, seconds = %s,"
        " ended = clock_timestamp() where database = %s and nonce = %s",
        [restore.revision, restore.old, restore.aside, Jsonb(restore.rows), restore.seconds, restore.database, restore.nonce],
    )


def asides(connection: psycopg.Connection[Any], database: str) -> list[Aside]:
    """Return what was put aside of a database and is still there, newest first."""
    if not there(connection):
        return []
    cursor = connection.cursor(row_factory=dict_row)
    return [Aside.read(row) for row in cursor.execute(ASIDES, [database]).fetchall()]
