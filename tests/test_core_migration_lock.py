"""Locks as a real server takes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from pglast import parse_sql

from sluice.core.migration.lock import LEVELS, effects
from tests.fixtures.postgres import Postgres

pytestmark = pytest.mark.embedded


@pytest.fixture
def connection(postgres: Postgres) -> Iterator[psycopg.Connection[Any]]:
    with postgres.connect() as outside:
        outside.execute("create database locks template template0")
        with postgres.connect(dbname="locks", client_encoding="utf8", autocommit=False) as inside:
            inside.execute("create table users (id int primary key, a int); create table orders (id int primary key, a int)")
            inside.execute("create index i on users (a); alter table users add constraint c check (a > 0) not valid")
            inside.execute("create function f() returns trigger language plpgsql as $$ begin return new; end $$")
            inside.execute("create trigger t before insert on users execute function f(); create policy p on users")
            inside.execute("create table split (n int) partition by list (n); create table part (n int)")
            inside.commit()
            yield inside
        outside.execute("drop database locks with (force)")


@pytest.mark.parametrize(
    "text",
    [
        "alter table users add b int",
        "alter table users alter a type bigint",
        "alter table users alter a set not null",
        "alter table users alter a set statistics 50",
        "alter table users validate constraint c",
        "alter table users set (fillfactor = 90)",
        "alter table users disable trigger t",
        "alter table users drop column a",
        "alter table users add foreign key (a) references orders (id) not valid",
        "alter table users add foreign key (a) references orders (id), add b int",
        "alter table users add unique (a)",
        "alter table users rename a to b",
        "alter table users rename to people",
        "alter table split attach partition part for values in (1)",
        "create index on users (a)",
        "create table new (u int references users)",
        "create trigger u before insert on users execute function f()",
        "create policy q on users",
        "drop trigger t on users",
        "drop policy p on users",
        "drop table users",
        "truncate users",
        "lock table users in share mode",
        "insert into users values (1)",
        "update users set a = 1",
        "delete from users",
        "analyze users",
        "reindex table users",
        "cluster users using users_pkey",
    ],
)
def test_locks_as_the_server_takes_them(connection: psycopg.Connection[Any], text: str):
    """The strongest lock on each table is what PostgreSQL itself shows in pg_locks."""
    tables = dict(connection.execute("select oid, relname from pg_class where relname in ('users', 'orders', 'split')").fetchall())
    connection.execute(text.encode())
    query = "select relation, mode from pg_locks where pid = pg_backend_pid() and relation = any(%s)"
    held: dict[str, str] = {}
    for relation, mode in connection.execute(query, [list(tables)]).fetchall():
        held[tables[relation]] = max(held.get(tables[relation], ""), _level(mode), key=LEVELS.index)
    connection.rollback()
    said = {one.table: one.lock for one in effects(parse_sql(text)[0].stmt)}
    # What it merely reads beside is no news.
    assert said == {table: lock for table, lock in held.items() if LEVELS.index(lock) > LEVELS.index("ROW SHARE")}


def _level(mode: str) -> str:
    """'ShareRowExclusiveLock' is 'SHARE ROW EXCLUSIVE'."""
    return "".join(f" {letter}" if letter.isupper() else letter for letter in mode.removesuffix("Lock")).strip().upper()
