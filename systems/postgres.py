"""PostgreSQL: questions in SQL, each in a read-only transaction with a time limit, one statement each.

Questions, and what each answers:
    sql               the first column of the first row: a number, a word, true as 1 and false as 0; no row, or null, is no data
    sql.rows          how many rows the query has; none is 0
    sql.connections   connections / (max_connections - reserved ones), as a ratio; of those whose application name begins with
                      `application`, or of all (runbook 004, "Database Connections > 80% of max")

Parameters: `host`, `port` (5432), `dbname`, `user`, `passfile` (libpq's format, mode 0600), and for the first two
`query`, with `params` for its %s or %(name)s.
What the server or the connection has against it is Unreachable, in the server's own primary message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluice.core.errors import Unreachable
from sluice.core.question import Question, expect
from sluice.core.reading import NoData, Number, Reading

if TYPE_CHECKING:
    import psycopg

    from sluice.core.store import Store

SERVER = ("host", "dbname", "user")
OPTIONAL = ("port", "passfile")
QUESTIONS = {
    "sql": Question((*SERVER, "query"), (*OPTIONAL, "params")),
    "sql.rows": Question((*SERVER, "query"), (*OPTIONAL, "params")),
    "sql.connections": Question(SERVER, (*OPTIONAL, "application")),
}
PORT = 5432

# The server cuts application names to this many bytes, so a longer one would never be found.
NAME = 63
# Without pg_read_all_stats, backend_type is hidden and null: then a client is who has both a database and a user.
CONNECTIONS = """
    select count(*) filter (where datid is not null and usesysid is not null and coalesce(backend_type, 'client backend') = 'client backend'
                            and pid <> pg_backend_pid() and starts_with(application_name, %s)),
           current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
               - coalesce(current_setting('reserved_connections', true)::int, 0)
    from pg_stat_activity
"""


def ask(question: str, of: Mapping[str, Any], timeout: float) -> Reading:
    """Ask one database; `timeout`, in seconds, is for connecting and for the query each."""
    expect(question, of, QUESTIONS)
    with _connected(of, timeout) as connection:
        if question == "sql.connections":
            return _connections(connection, of)
        if question == "sql.rows":
            return _rows(connection, of)
        return _first(connection, of)


@contextmanager
def _connected(of: Mapping[str, Any], timeout: float) -> Iterator[psycopg.Connection[Any]]:
    import psycopg

    private(of.get("passfile"))
    where = f"{of['host']}:{int(of.get('port', PORT))}/{of['dbname']}"
    try:
        with psycopg.connect(**_parameters(of, timeout)) as connection:
            connection.read_only = True
            connection.execute("select set_config('statement_timeout', %s, true)", [f"{timeout * 1000:.0f}ms"])
            yield connection
    except psycopg.Error as error:
        raise Unreachable(f"database {where}: {primary(error)}") from None


def _parameters(of: Mapping[str, Any], timeout: float) -> dict[str, Any]:
    names = [name for name in (*SERVER, "passfile") if of.get(name)]
    seconds = max(1, round(timeout))
    # The statement's limit is kept by the server; one that has vanished is noticed by keepalives only.
    silence = {"keepalives_idle": seconds, "keepalives_interval": 1, "keepalives_count": 2}
    limits = {"connect_timeout": seconds, "tcp_user_timeout": round(timeout * 1000), **silence}
    port = int(of.get("port", PORT))
    return {name: of[name] for name in names} | limits | {"port": port, "application_name": "sluice", "client_encoding": "utf8"}


def private(passfile: str | None) -> None:
    """Refuse a passfile that libpq would skip with a mere warning, or that others can read."""
    if passfile is None:
        return
    path = Path(passfile)
    if not path.is_file():
        raise Unreachable(f"passfile '{path}' does not exist")
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise Unreachable(f"passfile '{path}' has mode {mode:04o}, not 0600: run chmod 600 '{path}'")


def _row(connection: psycopg.Connection[Any], query: str, params: Any) -> tuple[Any, ...] | None:
    # Streaming uses the protocol that takes one statement only: `commit; drop ...` is refused by the server.
    rows = connection.cursor().stream(query.encode(), params)
    return next(rows, None)


def _first(connection: psycopg.Connection[Any], of: Mapping[str, Any]) -> Reading:
    row = _row(connection, of["query"], _whole(of.get("params")))
    if row is None:
        return NoData("the query has no row")
    return NoData("the query's first value is null") if row[0] is None else Number(value=plain(row[0]))


def _rows(connection: psycopg.Connection[Any], of: Mapping[str, Any]) -> Reading:
    # A line of its own for the bracket, since the query may end in a comment.
    query = f"select count(*) from (\n{of['query'].rstrip().rstrip(';')}\n) as counted"
    row = _row(connection, query, _whole(of.get("params")))
    return NoData("the query has no count") if row is None else Number(value=float(row[0]))


def _connections(connection: psycopg.Connection[Any], of: Mapping[str, Any]) -> Reading:
    prefix = of.get("application", "").encode()[:NAME].decode(errors="ignore")
    row = _row(connection, CONNECTIONS, [prefix])
    if row is None:
        return NoData("the server shows no activity")
    used, most = row
    return Number(value=used / most, evidence=f"{used} of {most}")


def plain(value: Any) -> float | str:
    """Return a database value as a check compares it: intervals in seconds, dates and times in ISO 8601."""
    if isinstance(value, bool | int | float | Decimal):
        return float(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value.isoformat() if isinstance(value, date) else str(value)


def _whole(params: Any) -> Any:
    """Return parameters with whole numbers as integers: Pulumi hands every number over as a double."""
    if isinstance(params, Mapping):
        return {name: _integer(value) for name, value in params.items()}
    return None if params is None else [_integer(value) for value in params]


def _integer(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


@contextmanager
def answered(store: Store, why: Callable[[psycopg.Error], str] | None = None) -> Iterator[None]:
    """Tell what a database has against the block as Unreachable, with its place, and in its own primary message unless in that of `why`."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        raise Unreachable(f"database {store.place}: {(why or primary)(error)}") from None


def primary(error: psycopg.Error) -> str:
    """Return the server's primary message; a failed connection has none, and says it in its last line with the reason."""
    if error.diag.message_primary:
        return error.diag.message_primary
    first = str(error).partition("\n")[0]
    return first.rpartition(" failed: ")[2].strip() or type(error).__name__
