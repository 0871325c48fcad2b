"""The repairs of a database, in a table of its own: that rows are back is written in the transaction that brings them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from sluice.core.restore.repair import Change, Repair, Row

# The columns are a stored format: only ever add one, with a default.
TABLE = """
    create schema if not exists sluice_history;
    create table if not exists sluice_history.repair (
        id bigint primary key generated always as identity, repair jsonb not null,
        state text not null default 'begun' check (state in ('begun', 'mended', 'done', 'left')),
        was bool, changes jsonb not null default '{}', "by" text not null default '',
        begun_at timestamptz not null default clock_timestamp(), mended_at timestamptz, ended_at timestamptz
    )
"""
OPEN = "select id, repair, state, was, changes from sluice_history.repair where state in ('begun', 'mended') order by id"


def there(connection: psycopg.Connection[Any]) -> bool:
    """Say whether this database was ever repaired."""
    row = connection.execute("select to_regclass('sluice_history.repair') is not null").fetchone()
    return bool(row and row[0])


def open(connection: psycopg.Connection[Any]) -> Row | None:
    """Return the repair that was begun and not ended."""
    if not there(connection):
        return None
    row = connection.cursor(row_factory=dict_row).execute(OPEN).fetchone()
    return Row.read(row) if row else None


def begin(connection: psycopg.Connection[Any], repair: Repair, *, was: bool | None, by: str) -> Row:
    """Write a repair down, with what its flag is now, before that is switched."""
    if not there(connection):
        connection.execute(TABLE)
    query = 'insert into sluice_history.repair (repair, was, "by") values (%s, %s, %s) returning id'
    row = connection.execute(query, [Jsonb(repair.wire()), was, by]).fetchone()
    assert row is not None
    return Row(id=row[0], repair=repair, state="begun", was=was)


def mended(connection: psycopg.Connection[Any], row: Row, changes: Mapping[str, Change]) -> Row:
    """Write down that the rows are back: part of the transaction that brings them."""
    query = "update sluice_history.repair set state = 'mended', changes = %s, mended_at = clock_timestamp() where id = %s"
    connection.execute(query, [Jsonb({name: one.wire() for name, one in changes.items()}), row.id])
    return row.model_copy(update={"state": "mended", "changes": dict(changes)})


def end(connection: psycopg.Connection[Any], row: Row, state: str) -> None:
    """Write down that it has ended, `done` or `left`."""
    connection.execute("update sluice_history.repair set state = %s, ended_at = clock_timestamp() where id = %s", [state, row.id])
