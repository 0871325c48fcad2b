"""The two databases: the tables that each service makes at start, and a pool of connections.

Where a service's own one is and who asks comes from libpq's own variables (PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSFILE, PGAPPNAME).
"""

from __future__ import annotations

import os
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool

from redcube.log import Log

# A pool that never gives a connection back keeps a live version well while another one takes all that are left.
SIZE = int(os.environ.get("POOL_SIZE", "4"))
# Both services start at once, and both make the copy of users.
LOCK = 7_302_410
START = float(os.environ.get("DATABASE_WAIT", "15"))  # seconds until the first connections
WAIT = 5.0  # seconds for a free one

USERS = """
    create table if not exists users (
        id bigint generated always as identity primary key,
        email text not null unique,
        password text not null,
        created_at timestamptz not null default now());
    create table if not exists sessions (
        token text primary key,
        user_id bigint not null references users on delete cascade,
        created_at timestamptz default now(),
        expires_at timestamptz not null default now() + interval '7 days');
    create index if not exists sessions_user on sessions (user_id)
"""
# Who is who is decided by the user service alone: the copy has no password, and no rule about emails that could refuse one.
COPY = """
    create table if not exists users (
        id bigint primary key,
        email text not null,
        created_at timestamptz not null default now())
"""
CONTENT = f"""
    {COPY.strip()};
    create table if not exists experiences (
        id bigint generated always as identity primary key,
        company text not null, role text not null, round text not null, summary text not null,
        views int not null, created_at timestamptz not null);
    create index if not exists experiences_newest on experiences (created_at desc, id);
    create table if not exists analyses (
        id bigint generated always as identity primary key,
        user_id bigint not null references users on delete cascade,
        text text not null, scores jsonb not null,
        created_at timestamptz not null default now());
    create index if not exists analyses_user on analyses (user_id);
    create table if not exists reputation_events (
        id bigint generated always as identity primary key,
        user_id bigint not null references users on delete cascade,
        analysis_id bigint references analyses on delete cascade,
        points int not null,
        created_at timestamptz not null default now());
    create index if not exists reputation_events_user on reputation_events (user_id);
    create index if not exists reputation_events_analysis on reputation_events (analysis_id);
    insert into experiences (company, role, round, summary, views, created_at)
    select (array['Aurora', 'Beacon', 'Cobalt', 'Delta', 'Ember'])[1 + n % 5],
           (array['backend engineer', 'data engineer', 'product manager'])[1 + n % 3],
           (array['phone screen', 'coding', 'system design', 'behavioral'])[1 + n % 4],
           (array['asked to design a cache and to defend every trade-off',
                  'two graph problems, one on shortest paths and one on cycles',
                  'long talk about a failed project and what the team learned',
                  'wrote queries with window functions and explained the plan',
                  'friendly round on consistency, queues and retries'])[1 + n % 5],
           (n * 37) % 500, now() - n * interval '3 hours'
    from generate_series(1, 200) as n
    where not exists (select from experiences)
"""

Pool = ConnectionPool[psycopg.Connection[dict[str, Any]]]


def connect(log: Log, tables: str, *, dbname: str = "", size: int = SIZE) -> Pool:
    """Open a pool, to the own database unless told another, and make the tables; exit with one clear line when nobody answers."""
    kwargs = {"row_factory": psycopg.rows.dict_row, "autocommit": True, "client_encoding": "utf8"}
    kwargs |= {"dbname": dbname} if dbname else {}
    pool: Pool = ConnectionPool(kwargs=kwargs, min_size=size, max_size=size, timeout=WAIT, check=ConnectionPool.check_connection, open=True)
    try:
        pool.wait(START)
        prepare(pool, tables)
    except psycopg.Error as error:
        log.line("ERROR", message=f"no database within {START:g} s: {str(error).strip()}")
        pool.close()
        raise SystemExit(1) from None
    log.line("INFO", message="Database connected")
    return pool


def prepare(pool: Pool, tables: str) -> None:
    """Make tables and first rows where there are none."""
    with pool.connection() as connection, connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [LOCK])
        for statement in tables.split(";"):
            connection.execute(statement.encode())


def well(pool: Pool) -> bool:
    """Say whether the database answers now."""
    try:
        with pool.connection(timeout=1.0) as connection:
            connection.execute("select 1")
    except psycopg.Error:
        return False
    return True
