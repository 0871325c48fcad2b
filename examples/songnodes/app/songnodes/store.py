"""PostgreSQL, found by libpq's own variables (PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSFILE). The tables are made by migrations."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool

from songnodes.setting import number

WAIT = 5.0  # seconds for a free connection

Pool = ConnectionPool[psycopg.Connection[dict[str, Any]]]


def connect() -> Pool:
    """Open a pool; a service without its database ends."""
    size, patience = int(number("POOL_SIZE", 4)), number("DATABASE_WAIT", 15)
    kwargs = {"row_factory": psycopg.rows.dict_row, "autocommit": True}
    pool: Pool = ConnectionPool(kwargs=kwargs, min_size=size, max_size=size, timeout=WAIT, open=True, check=ConnectionPool.check_connection)
    try:
        pool.wait(patience)
    except psycopg.Error as error:
        pool.close()
        raise SystemExit(f"no database within {patience:g} s: {str(error).strip()}") from None
    return pool


def well(pool: Pool) -> bool:
    """Say whether the database answers now."""
    with suppress(psycopg.Error), pool.connection(timeout=1.0) as connection:
        return connection.execute("select true as well").fetchone() == {"well": True}
    return False


def rows(pool: Pool, query: str, **params: Any) -> list[dict[str, Any]]:
    """Run one statement, and return its rows; none for one that has none."""
    with pool.connection() as connection:
        cursor = connection.execute(query.encode(), params)
        return cursor.fetchall() if cursor.description else []
