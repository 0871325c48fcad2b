"""A database of about 500 MB, as services have them: people, orders, events and texts, with keys and indexes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import sql

from bench.measure import say
from sluice.core.store import Store
from tests.fixtures.postgres import BIN, Postgres

# Texts of words of different length, cut at another place each time: packed, they become about a third, as those of people do.
WORDS = """
    create table words (id int primary key, said text not null);
    insert into words select n, (select string_agg(substr(md5((n * 251 + k)::text), 1, 2 + (n + k) % 9), ' ')
        from generate_series(1, 250) k)
        from generate_series(0, 4095) n;
"""
TABLES = """
    create table users (id bigint generated always as identity primary key, email text not null unique, name text not null,
        profile jsonb not null, created_at timestamptz not null default now());
    create table orders (id bigint generated always as identity primary key, user_id bigint not null references users,
        state text not null check (state in ('new', 'paid', 'sent')), total numeric(10, 2) not null, placed_at timestamptz not null);
    create table events (id bigint generated always as identity primary key, kind text not null, body jsonb not null,
        at timestamptz not null);
    create table pages (id int primary key, title text not null, body text not null);
"""
ROWS = """
    insert into users (email, name, profile, created_at) select format('user.%s@mail.example', n), substr(said, 1 + n % 999, 12),
        jsonb_build_object('city', left(said, 9), 'age', n % 90, 'tags', jsonb_build_array(n % 7, n % 11, substr(said, n % 500, 18))),
        timestamptz '2025-01-01' + n * interval '7 s' from generate_series(1, {size} * 2) n join words on id = hashint4(n) & 4095;
    insert into orders (user_id, state, total, placed_at) select 1 + (hashint4(n) & 2147483647) % ({size} * 2),
        (array['new', 'paid', 'sent'])[1 + n % 3], (n % 100000) / 100.0, timestamptz '2025-01-01' + n * interval '3 s'
        from generate_series(1, {size} * 12) n;
    insert into events (kind, body, at) select (array['seen', 'clicked', 'bought'])[1 + n % 3],
        jsonb_build_object('user', n % {size}, 'path', '/' || substr(said, n % 900, 18), 'agent', left(said, 50), 'ms', hashint4(n) % 1000),
        timestamptz '2025-01-01' + n * interval '2 s' from generate_series(1, {size} * 8) n join words on id = hashint4(n) & 4095;
    insert into pages select n, left(said, 30), substr(said, 1 + n % 50) from generate_series(1, {size} / 2) n
        join words on id = hashint4(n) & 4095;
"""
INDEXES = """
    create index on orders (user_id); create index on orders (placed_at); create index on events (at); create index on users (created_at);
"""
# Users are twice as many; events, orders and pages as the statements say.
SIZE, SMALL = 100_000, 1_000


@contextmanager
def server() -> Iterator[Postgres]:
    """Run a server for as long as the block."""
    postgres = Postgres()
    try:
        postgres.start()
        yield postgres
    finally:
        postgres.close()


def filled(postgres: Postgres, name: str, size: int = SIZE) -> Store:
    """Make a database of `size` thousandths of half a gigabyte, on disk and analysed."""
    with postgres.connect() as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    with postgres.connect(dbname=name) as connection:
        for text in (WORDS, TABLES, ROWS.replace("{size}", str(size)), INDEXES, "vacuum analyze", "checkpoint"):
            connection.execute(text.encode())
        found = connection.execute("select pg_database_size(current_database())").fetchone()
    say(f"  database '{name}': {(found or (0,))[0] / 2**20:.0f} MiB")
    return Store(host=postgres.host, port=postgres.port, user=postgres.user, passfile=str(postgres.passfile), dbname=name, tools=str(BIN))
