"""Several databases at one moment, with writers that go on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from sluice.core.backup.rule import mutual
from sluice.core.clock import ManualClock
from sluice.core.errors import Refused
from sluice.core.store import Store
from sluice.systems import moment, pause
from sluice.systems.backup import make
from sluice.systems.moment import Taken, take
from tests.fixtures.postgres import Postgres
from tests.fixtures.store import connect, named

pytestmark = pytest.mark.embedded
TABLE = "create table entry (n int primary key)"


@pytest.fixture
def pair(bare: Store, postgres: Postgres) -> Iterator[tuple[Store, Store]]:
    """Return two databases with a table each."""
    other = named(postgres, f"{bare.dbname}_other")
    with connect(bare.at("postgres")) as connection:
        connection.execute(sql.SQL("create database {} template template0").format(sql.Identifier(other.dbname)))
    for store in (bare, other):
        with connect(store) as connection:
            connection.execute(TABLE)
            connection.execute("insert into entry values (0)")
    return bare, other


@contextmanager
def writer(one: Store, other: Store, *, across: bool) -> Iterator[list[int]]:
    """Write the same numbers to both databases as fast as can be, one after the other; `across`: both open at once."""
    stop, done, failed = threading.Event(), [0], []

    def write() -> None:
        try:
            with psycopg.connect(**one.of) as first, psycopg.connect(**other.of) as second:
                while not stop.is_set():
                    number = done[0] + 1
                    first.execute("insert into entry values (%s)", [number])
                    first.commit() if not across else None
                    second.execute("insert into entry values (%s)", [number])
                    second.commit()
                    first.commit()
                    done[0] = number
        except psycopg.Error as error:
            failed.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        while done[0] < 5 and thread.is_alive():
            stop.wait(0.01)
        yield done
    finally:
        stop.set()
        thread.join()
    assert failed == []


def last(taken: Taken) -> int:
    row = taken.source.connection.execute("select max(n) from entry").fetchone()
    return int(row[0]) if row else -1


def test_nobody_writes(pair: tuple[Store, Store], tmp_path: Path):
    """In a quiet moment two databases are saved as of one moment without holding anybody up, and both manifests say so."""
    with take(pair) as taken:
        made = [make(store, tmp_path / "backups", taken=one) for store, one in zip(pair, taken, strict=True)]
    assert [(one.joint == made[0].joint != "", one.idle, one.paused) for one in made] == [(True, True, False)] * 2
    assert mutual(made).endswith("consistent with each other, of one moment at which nobody was writing")


def test_alone(bare: Store):
    """One database shares its moment with nobody, and nobody is held up for it."""
    with take([bare], pause=5.0) as (one,):
        assert (one.joint, one.idle, one.paused) == ("", False, False)


def test_somebody_writes(pair: tuple[Store, Store]):
    """With a writer that never rests, snapshots that are said to be of one moment are: what was written second was not seen alone."""
    found = []
    with writer(*pair, across=False):
        for _ in range(10):
            with take(pair) as taken:
                here, there = (last(one) for one in taken)
                found.append(taken[0].joint != "")
                assert not found[-1] or here - there in (0, 1)
    assert any(found)


def test_a_write_in_between(pair: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch):
    """What is written between the snapshots, every time, is seen: then they are of no one moment."""
    numbers = iter(range(1, 1000))
    taking = moment.snap

    def late(connection: Any) -> Any:
        with connect(pair[0]) as other:
            other.execute("insert into entry values (%s)", [next(numbers)])
        return taking(connection)

    monkeypatch.setattr(moment, "snap", late)
    with take(pair, clock=ManualClock()) as taken:
        assert [(one.joint, one.idle, one.paused) for one in taken] == [("", False, False)] * 2


def test_an_open_writer(pair: tuple[Store, Store]):
    """A transaction that has written and is still open makes the moment one, but not an idle one; one that only reads does not."""
    with connect(pair[1]) as reader, connect(pair[0]) as other:
        reader.execute("begin; select * from entry")
        with take(pair, clock=ManualClock()) as taken:
            assert [(one.joint != "", one.idle) for one in taken] == [(True, True)] * 2
        other.execute("begin; insert into entry values (1)")
        with take(pair, clock=ManualClock()) as taken:
            assert [(one.joint != "", one.idle) for one in taken] == [(True, False)] * 2


def test_paused(pair: tuple[Store, Store]):
    """Writers that are held up wait, none fails, and what they write to both databases is in both snapshots or in none."""
    with writer(*pair, across=True) as done:
        for _ in range(5):
            with take(pair, pause=20.0) as taken:
                here, there = (last(one) for one in taken)
                assert here == there
                assert all(one.paused and one.joint for one in taken)
                before = done[0]
        # It has gone on since.
        while done[0] == before:
            threading.Event().wait(0.01)


def test_a_writer_that_does_not_end(pair: tuple[Store, Store]):
    """A transaction that stays open is not waited for longer than said; it is not ended, and others go on meanwhile."""
    clock = ManualClock()
    with connect(pair[1]) as other, connect(pair[0]) as free:
        other.execute("begin; insert into entry values (1)")
        with pytest.raises(Refused) as error, take(pair, pause=1.0, clock=clock):
            pass
        names = ", ".join(f"'{one.dbname}'" for one in pair)
        assert str(error.value) == (
            f"writers of {names} were not done within 1s (canceling statement due to statement timeout): see pg_stat_activity for "
            "transactions that stay open, or raise sluice:rollout.backup.pause"
        )
        free.execute("insert into entry values (9)")
        other.execute("commit")


def test_a_deployer_that_stands_still(pair: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch):
    """One that is stopped while writers are held up does not hold them up for longer than said."""
    monkeypatch.setattr(pause, "STILL", "300ms")
    still = pytest.raises(Refused, match="this deployer stood still for 300ms, so that the server let them go")
    with still, pause.sessions(pair, "backup") as holding, pause.paused(holding), connect(pair[1]) as other:
        other.execute("insert into entry values (1)")


def test_a_table_made_meanwhile(pair: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch):
    """A table that is made while others are being held is held too."""
    lock = pause._lock

    def slow(connection: Any, tables: Any) -> None:
        lock(connection, tables)
        with connect(pair[0]) as other:
            other.execute("create table if not exists late (n int)")

    monkeypatch.setattr(pause, "_lock", slow)
    with pause.sessions(pair[:1], "backup") as holding, pause.paused(holding), connect(pair[0]) as other:
        other.execute("set lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute("insert into late values (1)")


def test_a_role_that_may_not(pair: tuple[Store, Store], postgres: Postgres):
    """A role that may not lock a table is told what to grant."""
    for store in pair:
        with connect(store) as connection:
            connection.execute("grant select on entry to guest")
    guests = [named(postgres, store.dbname, user="guest") for store in pair]
    why = r"^'guest' may not hold up the writers of '\w+' \(permission denied for table entry\): grant MAINTAIN"
    with pytest.raises(Refused, match=why), take(guests, pause=1.0):
        pass
