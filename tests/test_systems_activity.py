"""What a real server says of itself: sessions, locks, slots, indexes; nothing is made for it."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from sluice.core.errors import Unreachable
from sluice.core.restore.order import Order
from sluice.core.store import Store
from sluice.systems import activity, restore_table
from sluice.systems.lock import held, maintained
from tests.fixtures.front import free
from tests.fixtures.postgres import NOBODY, Postgres
from tests.fixtures.store import connect, databases, named

pytestmark = pytest.mark.embedded
LIMIT = 5.0


@contextmanager
def blocked(store: Store) -> Iterator[tuple[int, int]]:
    """Leave a transaction open, and let another session wait for its lock; the numbers of both."""
    with connect(store) as one, connect(store) as two:
        one.execute("begin; lock table orders in access exclusive mode")
        thread = threading.Thread(target=lambda: two.execute("select count(*) from orders"))
        thread.start()
        while not waits(store, two.info.backend_pid):
            pass
        yield one.info.backend_pid, two.info.backend_pid
        one.execute("rollback")
        thread.join()


def waits(store: Store, pid: int) -> bool:
    with connect(store) as connection:
        return connection.execute("select wait_event_type from pg_stat_activity where pid = %s", [pid]).fetchone() == ("Lock",)


def test_sessions(store: Store):
    """An open transaction is told with the sessions that wait for it, its own look is not."""
    with blocked(store) as (idle, waiting):
        seen = {one.pid: one for one in activity.look(store, [], timeout=LIMIT).sessions if one.database == store.dbname}
    assert (seen[idle].state, seen[idle].waits) == ("idle in transaction", [])
    assert (seen[waiting].state, seen[waiting].waits) == ("active", [idle])
    assert set(seen) == {idle, waiting}
    assert 0 <= seen[idle].seconds <= seen[idle].open + 1 < 60


def test_server(store: Store):
    """Connections that a plain role can have, the clock, sizes and ages; the maintenance database is not made for a look."""
    with connect(store.at("postgres")) as connection:
        connection.execute("drop database if exists sluice_maintenance with (force)")
    seen = activity.look(store, [store.dbname], timeout=LIMIT)
    assert seen.most == 17
    assert (seen.holders, seen.asides, seen.slots, seen.closed, seen.restores) == ([], [], [], [], [])
    assert seen.sizes[store.dbname] > 2**20
    assert seen.ages[store.dbname] > 0
    assert "sluice_maintenance" not in databases(store)


def test_holder(store: Store):
    """Who holds a database's lock is named, and nobody else's."""
    with held(store, "backup") as lock:
        (one,) = activity.look(store, [store.dbname, "other"], timeout=LIMIT).holders
        assert (one.database, one.pid, one.name, one.address) == (store.dbname, lock.pid, "sluice backup", "127.0.0.1")
        assert [each.pid for each in activity.holders(store, timeout=LIMIT)] == [lock.pid]
    assert activity.holders(store, timeout=LIMIT) == []


@pytest.mark.parametrize(("value", "closed"), [("on", True), ("TRUE", True), ("off", False)])
def test_closed(store: Store, value: str, closed: bool):
    """A database that refuses writes is told, unless that is only so for one role; and so is a restore that has begun and not ended."""
    order = Order(nonce="n1", backup="b1")
    with connect(store) as connection, maintained(store, "test") as beside:
        connection.execute(f"alter database {store.dbname} set default_transaction_read_only = {value}")
        connection.execute(f"alter role guest in database {store.dbname} set default_transaction_read_only = on")
        restore_table.prepare(beside)
        begun = restore_table.begin(beside, store.dbname, order, "copy", made=True)
        try:
            seen = activity.look(store, [store.dbname, "other"], timeout=LIMIT)
        finally:
            restore_table.leave(beside, begun)
            connection.execute(f"alter role guest in database {store.dbname} reset default_transaction_read_only")
        assert activity.look(store, [store.dbname], timeout=LIMIT).restores == []
    assert (store.dbname in seen.closed, [one.nonce for one in seen.restores]) == (closed, ["n1"])


def test_indexes(store: Store):
    """An index that a failed concurrent build has left is told; valid ones and one that is being built are not."""
    with connect(store) as connection:
        connection.execute("insert into orders (note) values ('twin'), ('twin')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("create unique index concurrently orders_note on orders (note)")
    seen = activity.inside(store, timeout=LIMIT)
    assert seen.indexes == [("public.orders_note", "public.orders")]
    assert (seen.statements, seen.heads) == (None, [])
    assert seen.uncounted == "pg_stat_statements is not in this database: only what runs now is seen"


def test_heads(store: Store):
    """Alembic's own table is what it says."""
    with connect(store) as connection:
        connection.execute("create table alembic_version (version_num text); insert into alembic_version values ('a1')")
    assert activity.inside(store, timeout=LIMIT).heads == ["a1"]
    # Who has another search path has no such table, as far as Alembic can tell.
    with connect(store) as connection:
        connection.execute(f"create schema apart; alter database {store.dbname} set search_path to apart".encode())
    assert activity.inside(store, timeout=LIMIT).heads == []


def test_slots(store: Store):
    """A slot that nobody reads is told with what is kept for it."""
    with connect(store) as connection:
        connection.execute("select pg_create_physical_replication_slot('gone', true)")
        try:
            (slot,) = activity.look(store, [], timeout=LIMIT).slots
        finally:
            connection.execute("select pg_drop_replication_slot('gone')")
    assert (slot.name, slot.active, slot.lost) == ("gone", False, False)
    assert slot.retained >= 0


def test_plain_role(plain: Store):
    """A role that may see little is told little, and gets no error."""
    seen = activity.look(plain, [plain.dbname], timeout=LIMIT)
    assert all(isinstance(one.seconds, float) for one in seen.sessions)
    assert activity.inside(plain, timeout=LIMIT).indexes == []


def test_nobody(store: Store):
    """A server that is not there, and a database that is not, are unreachable, by name."""
    gone = store.model_copy(update={"port": free()})
    with pytest.raises(Unreachable, match=f"^database {gone.place}: "):
        activity.look(gone, [], timeout=1)
    with pytest.raises(Unreachable, match='database "nobody" does not exist'):
        activity.inside(store.at("nobody"), timeout=1)


def test_timeout(store: Store, monkeypatch: pytest.MonkeyPatch):
    """A server that does not answer in time is told so by itself."""
    monkeypatch.setattr(activity, "SLOTS", "select 'a', true, 0, pg_sleep(30) is null")
    with pytest.raises(Unreachable, match="canceling statement due to statement timeout"):
        activity.look(store, [], timeout=0.2)


def test_read_only(store: Store):
    """Nothing that is asked could change anything."""
    with activity._asked(store, LIMIT) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("create table t ()")


@pytest.fixture
def counting() -> Iterator[Store]:
    """Return a database on a server of its own, which counts statements."""
    server = Postgres()
    server.start()
    try:
        with server.connect() as connection:
            connection.execute("alter system set shared_preload_libraries = 'pg_stat_statements'")
        server.server.send_signal(signal.SIGINT)
        server.server.wait(timeout=30)
        null = subprocess.DEVNULL
        server.server = subprocess.Popen(server.server.args, stdout=null, stderr=null, cwd="/", **NOBODY)
        server._await()
        yield named(server, "postgres")
    finally:
        server.close()


def test_statements(counting: Store):
    """Where statements are counted, slow ones are told with how often and how long; without the library only why nobody knows."""
    with connect(counting) as connection:
        connection.execute("create extension pg_stat_statements")
        for _ in range(2):
            connection.execute("select pg_sleep(0.1)")
    seen = activity.inside(counting, timeout=LIMIT)
    assert seen.statements
    (slow,) = [one for one in seen.statements if "pg_sleep" in one.query]
    assert (slow.calls, 0.1 <= slow.mean < 1) == (2, True)


def test_uncounted(store: Store):
    """An extension without its library counts nothing, and the server's reason is told."""
    with connect(store) as connection:
        connection.execute("create extension pg_stat_statements")
    seen = activity.inside(store, timeout=LIMIT)
    assert seen.statements is None
    assert seen.uncounted == 'pg_stat_statements must be loaded via "shared_preload_libraries"'
