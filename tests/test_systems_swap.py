"""Two databases change places in one transaction."""

from __future__ import annotations

import re
import threading
import time

import psycopg
import pytest

from sluice.core.clock import SystemClock
from sluice.core.errors import RestoreFailed
from sluice.core.restore.order import Order
from sluice.core.store import Store
from sluice.systems import restore_table as table
from sluice.systems.lock import held
from sluice.systems.swap import busy, oid, swap
from tests.fixtures.postgres import Postgres
from tests.fixtures.store import connect, databases, named

pytestmark = pytest.mark.embedded


def beside(store: Store) -> str:
    """Make an empty database beside another."""
    name = f"{store.dbname}_new"
    with connect(store.at("postgres")) as connection:
        connection.execute(f"create database {name} template template0".encode())
    return name


def test_oids(store: Store):
    """Both keep their oid, so that the table knows them under any name; the new one holds what the other one held."""
    name = beside(store)
    with held(store, "restore") as lock:
        connection = lock.connection
        table.prepare(connection)
        before = [oid(connection, store.dbname), oid(connection, name)]
        begun = table.begin(connection, store.dbname, Order(nonce="n", backup="B"), name, made=False)
        done = swap(lock, begun, rows={"t": 1}, clock=SystemClock())
        assert [oid(connection, done.aside), oid(connection, store.dbname)] == before
        found = table.find(connection, store.dbname, "n")
    assert found
    assert (found.state, found.old, found.aside, found.rows) == ("swapped", before[0], done.aside, {"t": 1})
    assert name not in databases(store)
    with connect(store) as connection:
        assert connection.execute("select to_regclass('orders')").fetchone() == (None,)


def test_not_allowed(postgres: Postgres, store: Store):
    """A role that may not end other sessions is told so, and nothing is swapped."""
    name = beside(store)
    with connect(store.at("postgres")) as connection:
        connection.execute("alter role guest createdb")
        for one in (store.dbname, name):
            connection.execute(f"alter database {one} owner to guest".encode())
        with held(store, "test"):
            pass  # the maintenance database is there
    guest = named(postgres, store.dbname, user="guest")
    try:
        with connect(store.at("sluice_maintenance")) as connection:
            table.prepare(connection)
            connection.execute("grant select, insert, update on public.sluice_restore to guest")
        with connect(store) as session, held(guest, "restore") as lock:
            assert busy(lock.connection, store.dbname)
            begun = table.begin(lock.connection, store.dbname, Order(nonce="n", backup="B"), name, made=False)
            wanted = f"'{name}' cannot take the place of '{store.dbname}': permission denied to terminate process; it serves on"
            with pytest.raises(RestoreFailed, match=f"^{re.escape(wanted)}$"):
                swap(lock, begun, rows={}, clock=SystemClock())
            assert session.execute("select count(*) from orders").fetchone() == (5000,)
        assert {store.dbname, name} <= databases(store)
    finally:
        with connect(store.at("sluice_maintenance")) as connection:
            connection.execute("revoke all on public.sluice_restore from guest")
            connection.execute("alter role guest nocreatedb")


@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_door(store: Store, ending: str):
    """Who connects during the swap waits at the door: let in when it is taken back, and turned away from what was put aside."""
    came: list[str] = []

    def come() -> None:
        try:
            connect(store).close()
            came.append("in")
        except psycopg.OperationalError as error:
            came.append(str(error))

    guest = threading.Thread(target=come)
    with connect(store.at("postgres")) as watching, psycopg.connect(**store.at("postgres").of) as renaming:
        renaming.execute(f"alter database {store.dbname} rename to {store.dbname}_away".encode())
        guest.start()
        deadline = time.monotonic() + 8
        while not watching.execute("select 1 from pg_locks where locktype = 'object' and not granted").fetchone():
            assert time.monotonic() < deadline, "nobody came"
            time.sleep(0.01)
        assert came == []
        getattr(renaming, ending)()
    guest.join()
    assert ("in" if ending == "rollback" else f'database "{store.dbname}" does not exist') in came[0]
