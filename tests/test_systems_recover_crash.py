"""A killed deployer, and a killed server, at every statement of a restore: the old database or the new one is there, whole and open, and
the next call goes on."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sluice.core.backup.manifest import Backup, scratch
from sluice.core.errors import SluiceError
from sluice.core.restore.order import Order
from sluice.core.store import Store
from sluice.systems.lock import maintained
from sluice.systems.recover import asides, from_backup, mend
from tests.fixtures.postgres import Postgres
from tests.fixtures.store import FILLED, connect, databases, named
from tests.test_systems_migrations_crash import crash, own  # noqa: F401, a fixture
from tests.test_systems_recover import one, proved, quiet, spoil

pytestmark = pytest.mark.embedded

EXECUTE, COMMIT = psycopg.Connection.execute, psycopg.Transaction._commit_gen
# What only reads, or ends sessions, leaves the world as it is: to die there is to die after the write before.
READS = re.compile(r"\s*(select|set) ")
Step = Callable[[psycopg.Connection[Any], str], None]


class Steps:
    """Stands before each write of a process, numbered from 1, commits included, and does something at one of them, or at a text."""

    def __init__(self, at: int | str, act: Step) -> None:
        self.at, self.act, self.count = at, act, 0

    def step(self, connection: psycopg.Connection[Any], text: str) -> None:
        if READS.match(text):
            return
        self.count += 1
        if self.at in (self.count, text):
            self.act(connection, text)

    def __enter__(self) -> Steps:
        def execute(connection: Any, query: Any, params: Any = None, **more: Any) -> Any:
            self.step(connection, psycopg.ClientCursor(connection).mogrify(query, params))
            return EXECUTE(connection, query, params, **more)

        def commit(transaction: Any) -> Any:
            self.step(transaction._conn, "commit")
            return (yield from COMMIT(transaction))

        psycopg.Connection.execute, psycopg.Transaction._commit_gen = execute, commit  # type: ignore[method-assign, assignment]
        return self

    def __exit__(self, *_: object) -> None:
        psycopg.Connection.execute, psycopg.Transaction._commit_gen = EXECUTE, COMMIT  # type: ignore[method-assign]


def before(*_: Any) -> None:
    """Die before the server hears of it."""
    os.kill(os.getpid(), signal.SIGKILL)


def during(connection: psycopg.Connection[Any], text: str) -> None:
    """Die once the server has the statement, and runs it for nobody."""
    connection.pgconn.send_query(text.encode())
    connection.pgconn.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def restore(store: Store, saved: Backup, how: str, nonce: str) -> Any:
    return from_backup(store, saved, Order(nonce=nonce, backup=saved.id), refuse=how == "copy", log=quiet)


def deploy(store: Store, saved: Backup, how: str, nonce: str, at: int | str, act: Step) -> bool:
    """Restore in a process of its own, which dies at a statement, or when all is done and nobody knows yet; say whether it did."""
    if pid := os.fork():
        return os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    try:
        with Steps(at, act):
            restore(store, saved, how, nonce)
        before()
    finally:
        os._exit(1)


def writes(store: Store, saved: Backup, how: str) -> int:
    """Restore once, and count."""
    with Steps(0, before) as steps:
        restore(store, saved, how, "counted")
    return steps.count


def content(store: Store) -> str:
    """Say which database serves, by its rows."""
    rows = one(store, "select count(*) || ' ' || count(*) filter (where note = 'bad') from orders")
    return {"5000 0": "backup", "5120 5120": "spoiled"}[rows]


def again(store: Store, saved: Backup, seed: dict[str, str]) -> None:
    """Bring the server back to before any restore: the spoiled database, and the kept copy."""
    with maintained(store, "test") as connection:
        connection.execute("drop table if exists public.sluice_restore")
    with connect(store.at("postgres")) as connection:
        for name in databases(store):
            if name == store.dbname or name.startswith(f"{store.dbname}_aside") or name == scratch(store.dbname, saved.id):
                connection.execute(f"drop database {name} with (force)".encode())
        for name, template in seed.items():
            connection.execute(f"create database {name} template {template}".encode())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def saved(store: Store, folder: Path) -> Backup:
    made = proved(store, folder)
    spoil(store)
    return made


@pytest.mark.parametrize("how", ["copy", "backup"])
def test_killed(store: Store, saved: Backup, how: str):
    """Killed before or during any write: what serves is the old one or the new one, and one more call ends with the new one, once."""
    copy = scratch(store.dbname, saved.id)
    seeds = {store.dbname: f"{store.dbname}_seed", **({copy: f"{store.dbname}_copy"} if how == "copy" else {})}
    with connect(store.at("postgres")) as connection:
        connection.execute(f"create database {store.dbname}_seed template {store.dbname}".encode())
        connection.execute(f"create database {store.dbname}_copy template {copy}".encode())
    again(store, saved, seeds)
    count, served = writes(store, saved, how), []
    table = [(at, act) for at in range(1, count + 1) for act in (before, during)] + [(0, before)]
    for at, act in table:
        again(store, saved, seeds)
        nonce = f"{at}-{act.__name__}"
        assert deploy(store, saved, how, nonce, at, act), f"did not reach {at} of {count}"
        served.append(content(store))
        done = restore(store, saved, how, nonce)
        assert done.again == (served[-1] == "backup"), nonce
        assert content(store) == "backup", nonce
        assert one(store, "insert into orders (note) values ('on') returning id") == 5001, nonce
        assert len(asides(store)) == 1, nonce
    assert count > 20  # the table is whole
    # The commit is the one moment at which another database serves.
    assert served[-1] == "backup"
    assert served == sorted(served, reverse=True)


@pytest.fixture
def crashing(own: Postgres, tmp_path: Path) -> tuple[Store, Backup]:  # noqa: F811
    """Return a database, and its verified backup with the copy kept, on a server that may be killed."""
    store = named(own, "shop")
    with connect(store.at("postgres")) as connection:
        connection.execute("create database shop template template0")
    with connect(store) as connection:
        connection.execute(FILLED)
    saved = proved(store, tmp_path / "backups")
    spoil(store)
    return store, saved


def test_server_killed(own: Postgres, crashing: tuple[Store, Backup]):  # noqa: F811
    """When the server dies the old one or the new one is there after its restart, open and whole; the same order then goes on."""
    store, saved = crashing
    copy = scratch(store.dbname, saved.id)
    seeds = {store.dbname: "seed", copy: "kept"}
    with connect(store.at("postgres")) as connection:
        connection.execute("create database seed template shop")
        connection.execute(f"create database kept template {copy}".encode())

    def crashed(*_: object) -> None:
        crash(own)

    def sent(connection: psycopg.Connection[Any], text: str) -> None:
        connection.pgconn.send_query(text.encode())
        connection.pgconn.flush()
        crash(own)

    again(store, saved, seeds)
    count, served = writes(store, saved, "copy"), []
    for at, act in [*((at, crashed) for at in range(1, count, 4)), (count, crashed), (count, sent)]:
        again(store, saved, seeds)
        nonce = f"{at}-{act.__name__}"
        with pytest.raises(SluiceError), Steps(at, act):
            restore(store, saved, "copy", nonce)
        served.append(content(store))
        restore(store, saved, "copy", nonce)
        assert content(store) == "backup", nonce
        assert one(store, "insert into orders (note) values ('on') returning id") == 5001, nonce
        assert len(asides(store)) == 1, nonce
    assert set(served[:-1]) == {"spoiled"}  # the last one may have been committed in time


def test_left(store: Store, saved: Backup):
    """What a dead restore has left is put back by `mend`, and by any other order: writes, and the copy's walls."""
    copy = store.at(scratch(store.dbname, saved.id))
    for number in (1, 2):
        assert deploy(store, saved, "copy", f"dead{number}", "analyze", before)
        with connect(store) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("insert into orders (note) values ('refused')")
        said: list[str] = []
        if number == 1:
            mend(store, log=said.append)
            assert one(copy, "select current_setting('session_replication_role')") == "replica"
        else:
            from_backup(store, saved, Order(nonce="alive", backup=saved.id), log=said.append)
        assert said[0] == f"'{store.dbname}' takes writes again"
        with connect(store) as connection:
            connection.execute("insert into orders (note) values ('on')")
