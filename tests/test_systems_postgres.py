"""Questions to a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sluice.core.errors import Unreachable
from sluice.core.reading import NoData, Number
from sluice.core.store import Store
from sluice.systems.postgres import answered, ask
from tests.fixtures.front import free
from tests.fixtures.postgres import PASSWORD, Postgres

pytestmark = pytest.mark.embedded


@pytest.fixture
def table(postgres: Postgres) -> Iterator[str]:
    with postgres.connect() as connection:
        connection.execute("create table orders as select n as id, n * 10 as cents from generate_series(1, 5) n")
        yield "orders"
        connection.execute("drop table orders")


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("select 7", 7.0),
        ("select 2.5::numeric, 'more'", 2.5),
        ("select 'ok'", "ok"),
        ("select true", 1.0),
        ("select interval '90 seconds'", 90.0),
        ("select timestamptz '2025-11-27 12:00+00' at time zone 'utc'", "2025-11-27T12:00:00"),
        ("values (1), (2)", 1.0),
        ("select '100%'", "100%"),
    ],
)
def test_sql(postgres: Postgres, query: str, value: float | str):
    """The answer is the first column of the first row."""
    assert ask("sql", {**postgres.of, "query": query}, 5) == Number(value=value)


def test_no_row(postgres: Postgres):
    """No row, and null, are no data."""
    assert ask("sql", {**postgres.of, "query": "select 1 where false"}, 5) == NoData("the query has no row")
    assert ask("sql", {**postgres.of, "query": "select null"}, 5) == NoData("the query's first value is null")


def test_params(postgres: Postgres, table: str):
    """Parameters are bound, by place or by name; a whole double is an integer, since that is how Pulumi hands it over."""
    placed = {"query": f"select cents from {table} order by id limit 1 offset %s", "params": [2.0]}
    named = {"query": f"select cents from {table} where id = %(id)s", "params": {"id": 4}}
    assert ask("sql", {**postgres.of, **placed}, 5) == Number(value=30.0)
    assert ask("sql", {**postgres.of, **named}, 5) == Number(value=40.0)


@pytest.mark.parametrize("tail", ["", ";", " ;  \n", " -- all of them"])
def test_rows(postgres: Postgres, table: str, tail: str):
    """Rows are counted by the server, whatever the query ends in."""
    assert ask("sql.rows", {**postgres.of, "query": f"select * from {table}{tail}"}, 5) == Number(value=5.0)


def test_rows_none(postgres: Postgres, table: str):
    """No rows is an answer: 0."""
    query = f"select * from {table} where id > %s"
    assert ask("sql.rows", {**postgres.of, "query": query, "params": [9]}, 5) == Number(value=0.0)


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("delete from orders returning 1", "cannot execute DELETE in a read-only transaction"),
        ("commit; delete from orders", "cannot insert multiple commands into a prepared statement"),
        ("select * from absent", 'relation "absent" does not exist'),
        ("select pg_sleep(9)", "canceling statement due to statement timeout"),
    ],
)
def test_refused(postgres: Postgres, table: str, query: str, why: str):
    """Nothing is written, nothing runs beyond its time, and the server's own words say so."""
    with pytest.raises(Unreachable) as caught:
        ask("sql", {**postgres.of, "query": query}, 0.5)
    assert str(caught.value) == f"database 127.0.0.1:{postgres.port}/postgres: {why}"
    assert ask("sql", {**postgres.of, "query": f"select count(*) from {table}"}, 5) == Number(value=5.0)


def test_connections(postgres: Postgres):
    """Connections are a share of what a plain role can have, by the beginning of their name, and the question does not count itself."""
    with postgres.connect(application_name="content@1.1.0-3fa2 pool 1"), postgres.connect(application_name="content@1.0.0-77aa"):
        seen = ask("sql.connections", {**postgres.of, "application": "content@1.1.0-3fa2"}, 5)
        assert seen == Number(value=1 / 17, evidence="1 of 17")
        assert ask("sql.connections", postgres.of, 5) == Number(value=2 / 17, evidence="2 of 17")


def test_connections_long_name(postgres: Postgres):
    """A name longer than the server keeps is still found."""
    with postgres.connect(application_name="n" * 80):
        assert ask("sql.connections", {**postgres.of, "application": "n" * 80}, 5) == Number(value=1 / 17, evidence="1 of 17")


def test_connections_plain_role(postgres: Postgres):
    """A role that may not see others' statistics counts the same."""
    with postgres.connect(application_name="content@1.1.0"):
        assert ask("sql.connections", {**postgres.of, "user": "guest"}, 5) == Number(value=1 / 17, evidence="1 of 17")


def without(of: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in of.items() if name not in names}


def test_wrong_password(postgres: Postgres):
    """A wrong password is told without any password."""
    wrong = postgres.private("wrong", "*:*:*:*:planted-wrong")
    with pytest.raises(Unreachable) as caught:
        ask("sql", {**postgres.of, "passfile": str(wrong), "query": "select 1"}, 5)
    where = f"database 127.0.0.1:{postgres.port}/postgres"
    assert str(caught.value) == f'{where}: FATAL:  password authentication failed for user "owner"'
    assert PASSWORD not in str(caught.value)


def test_closed_port(postgres: Postgres):
    """A closed port is told in the system's words."""
    port = free()
    with pytest.raises(Unreachable) as caught:
        ask("sql", {**postgres.of, "port": float(port), "query": "select 1"}, 5)
    assert str(caught.value) == f"database 127.0.0.1:{port}/postgres: Connection refused"


def test_open_passfile(postgres: Postgres):
    """A passfile that others can read is refused, with the command that mends it."""
    path = postgres.private("open", "*:*:*:*:x", mode=0o644)
    path.chmod(0o644)
    with pytest.raises(Unreachable) as caught:
        ask("sql", {**postgres.of, "passfile": str(path), "query": "select 1"}, 5)
    assert str(caught.value) == f"passfile '{path}' has mode 0644, not 0600: run chmod 600 '{path}'"


def test_no_password(postgres: Postgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Without a passfile a server that wants a password says so."""
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    with pytest.raises(Unreachable) as caught:
        ask("sql", {**without(postgres.of, "passfile"), "query": "select 1"}, 5)
    assert str(caught.value) == f"database 127.0.0.1:{postgres.port}/postgres: fe_sendauth: no password supplied"


def test_no_passfile(postgres: Postgres, tmp_path: Path):
    """A passfile that is not there is named."""
    with pytest.raises(Unreachable, match=r"^passfile '.*/none' does not exist$"):
        ask("sql", {**postgres.of, "passfile": str(tmp_path / "none"), "query": "select 1"}, 5)


def test_unknown(postgres: Postgres):
    """An unknown question, and a missing parameter, name what is known and needed."""
    with pytest.raises(ValueError, match=r"^unknown question 'sql\.row': known are sql, sql\.rows, sql\.connections$"):
        ask("sql.row", postgres.of, 5)
    with pytest.raises(ValueError, match=r"^'sql' needs 'host'; 'sql' needs 'query'$"):
        ask("sql", without(postgres.of, "host"), 5)


def test_answered():
    """What a database has against a block is told with its place, in other words where those are given; other errors stay what they are."""
    store = Store(host="127.0.0.1", port=5, user="u", dbname="shop")
    for why, text in ((None, "OperationalError"), (lambda _: "it is gone", "it is gone")):
        with pytest.raises(Unreachable) as caught, answered(store, why):
            raise psycopg.OperationalError
        assert str(caught.value) == f"database {store.place}: {text}"
    with pytest.raises(ValueError, match=r"^mine$"), answered(store):
        raise ValueError("mine")
