"""What a database holds, in one snapshot."""

from __future__ import annotations

import pytest

from sluice.core.errors import Unreachable
from sluice.core.store import Store
from sluice.systems.source import reading
from tests.fixtures.store import connect

pytestmark = pytest.mark.embedded


def test_one_moment(store: Store):
    """Everything is of one moment, which another session can read too."""
    with reading(store, "backup") as source, connect(store) as connection:
        connection.execute("delete from orders")
        assert source.rows(lambda: None)["public.orders"] == 5000
        connection.execute("begin isolation level repeatable read")
        connection.execute(f"set transaction snapshot '{source.snapshot}'")
        assert connection.execute("select count(*) from orders").fetchone() == (5000,)
        assert (source.database, source.superuser, source.major) == (store.dbname, True, 18)


def test_which(bare: Store):
    """Partitions count, not their parents; computed views, foreign tables and members of extensions do not."""
    with connect(bare) as connection:
        connection.execute("""
            create table event (id int) partition by range (id);
            create table event_1 partition of event for values from (0) to (10);
            insert into event values (1), (2);
            create materialized view seen as select * from event;
            create extension file_fdw; create server f foreign data wrapper file_fdw;
            create foreign table far (line text) server f options (filename '/etc/hostname');
            create schema "My Shop"; create unlogged table "My Shop"."A.b" (id int generated always as identity);
        """)
    with reading(bare, "backup") as source:
        assert source.rows(lambda: None) == {"My Shop.A.b": 0, "public.event_1": 2}
        assert source.sequences() == {"My Shop.A.b_id_seq": 0}
        assert source.filled()


def test_read_only(store: Store):
    """Nothing can be written through it, and the server's message is told."""
    with (
        pytest.raises(Unreachable, match=rf"^database {store.place}: cannot execute DELETE in a read-only transaction$"),
        reading(store, "x") as source,
    ):
        source.connection.execute("delete from orders")


def test_gone(store: Store):
    """A database that is not there is told with its address."""
    with (
        pytest.raises(Unreachable, match=r"^database \S+/nowhere: .*database \"nowhere\" does not exist$"),
        reading(store.at("nowhere"), "x"),
    ):
        pass
