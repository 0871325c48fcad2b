"""How long readers wait behind a migration that waits, measured by readers beside it."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sluice.core.clock import SystemClock
from tests.fixtures.postgres import BIN, Postgres
from tests.test_systems_migrations import Database, caught
from tests.test_systems_migrations_crash import until

pytestmark = pytest.mark.embedded
LOCK = 0.6
# What this machine may add to a wait: 50 ms until a lock that is not granted is seen, and the scheduling of a busy one.
SLACK = 0.25
READERS = 4


class Readers:
    """Sessions that read one table without a pause, and remember how long each answer took."""

    def __init__(self, postgres: Postgres, table: str) -> None:
        self.postgres, self.table = postgres, table
        self.waits: list[float] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._read) for _ in range(READERS)]

    def _read(self) -> None:
        with self.postgres.connect(dbname="queues") as connection:
            while not self._over.is_set():
                begun = time.monotonic()
                connection.execute(f"select count(*) from {self.table}".encode())
                self.waits.append(time.monotonic() - begun)
                time.sleep(0.002)

    def __enter__(self) -> Readers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def told(self, what: str) -> None:
        """Print the figures, and see that they did queue, for no longer than they may."""
        late = sorted(self.waits)
        p50, p99 = late[len(late) // 2], late[len(late) * 99 // 100]
        print(f"\n{what}: {len(late)} reads, p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.0f} ms, longest {late[-1] * 1000:.0f} ms")
        assert late[-1] > LOCK / 2  # else nothing was measured
        assert late[-1] <= LOCK + SLACK


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Database]:
    with postgres.connect() as connection:
        connection.execute("create database queues template template0")
        one = Database(postgres, "queues")
        for table in ("a", "b", "c"):
            one.sql(f"create table {table} as select n from generate_series(1, 1000) n")
        yield one
        connection.execute("drop database queues with (force)")


@contextmanager
def long_reader(database: Database) -> Iterator[None]:
    """A report that reads on and on."""
    with database.postgres.connect(dbname="queues", application_name="report") as session:
        thread = threading.Thread(target=_report, args=[session])
        thread.start()
        until(
            lambda: bool(database.sql("select 1 from pg_stat_activity where query like '%pg_sleep(60)%' and pid <> pg_backend_pid()")), "it"
        )
        yield
        session.cancel_safe()
        thread.join()


def _report(session: psycopg.Connection[Any]) -> None:
    with pytest.raises(psycopg.errors.QueryCanceled):
        session.execute("select count(*), pg_sleep(60) from a")


@contextmanager
def idle(database: Database, table: str = "a") -> Iterator[None]:
    """A session that has read, and forgot to end its transaction."""
    with database.postgres.connect(dbname="queues", autocommit=False, application_name="forgetful") as session:
        session.execute(f"select from {table}".encode())
        yield


@pytest.mark.parametrize(("who", "name"), [(long_reader, "report, active"), (idle, "forgetful, idle in transaction")])
def test_readers_queue_for_one_wait(database: Database, who: Callable[[Database], Any], name: str):
    """A reader or a forgotten transaction in the way: five waits, its name in the error, and no reader waits for two of them."""
    text = f"-- lock_timeout: {round(LOCK * 1000)}ms\nalter table a add more int"
    with who(database), Readers(database.postgres, "a") as readers:
        begun = time.monotonic()
        said = caught(lambda: database.up({"1_a.sql": text}, clock=Brief(), budget=60))
        took = time.monotonic() - begun
    assert "canceling statement due to lock timeout 5 times, behind pid " in said
    assert f"({name}, for " in said
    assert 5 * LOCK <= took < 5 * LOCK + 4
    readers.told(f"{name}, five tries in {took:.1f} s")
    assert database.up({"1_a.sql": text}) == ["1_a"]


class Brief(SystemClock):
    """A clock whose waits are real but short, so that a test of five tries is."""

    def wait(self, seconds: float) -> None:
        time.sleep(seconds / 10)


def test_a_budget_in_real_time(database: Database):
    """With the real pauses between tries, the waits end with the budget."""
    with idle(database):
        begun = time.monotonic()
        said = caught(lambda: database.up({"1_a.sql": "-- lock_timeout: 100ms\nalter table a add more int"}, clock=SystemClock(), budget=1))
        assert time.monotonic() - begun < 2
    assert "wait for that session, or end it with `select pg_terminate_backend(" in said


def test_readers_behind_several_tables(database: Database):
    """A transaction waits for all its tables together no longer than for one: readers of the first queue for as long as it waits."""
    text = f"-- lock_timeout: {round(LOCK * 1000)}ms\n" + ";\n".join(f"alter table {table} add more int" for table in "abc")
    with ExitStack() as stack:
        stack.enter_context(idle(database, "c"))
        first = database.postgres.connect(dbname="queues", autocommit=False)
        first.execute("select from b")
        stack.callback(first.close)

        def let_go(_: object) -> None:
            """End the wait for `b` late, each time: the one for `c` begins then."""
            until(lambda: bool(database.sql("select 1 from pg_locks where not granted and relation = 'b'::regclass")), "a wait for b")
            time.sleep(LOCK * 0.75)
            first.rollback()

        thread = threading.Thread(target=let_go, args=[None])
        with Readers(database.postgres, "a") as readers:
            thread.start()
            said = caught(lambda: database.up({"1_a.sql": text}, clock=Brief()))
            thread.join()
    assert "failed at statement 3 of 3" in said
    readers.told("three tables, two of them busy")
    assert database.up({"1_a.sql": text}) == ["1_a"]


def test_a_running_dump(database: Database, tmp_path: Path):
    """A real pg_dump that runs is waited for within the budget, without a lock of any kind, and named; readers notice nothing."""
    database.sql("create table big as select n, repeat(md5(n::text), 30) as t from generate_series(1, 20000) n")
    words = ["-h", database.store.host, "-p", str(database.store.port), "-U", database.store.user, "-w", "-d", "queues"]
    environment = {"PGPASSFILE": database.store.passfile}
    with subprocess.Popen([str(BIN / "pg_dump"), *words, "-Fp"], env=environment, stdout=subprocess.PIPE) as dump:
        assert dump.stdout
        dump.stdout.read(65536)  # it waits for whoever reads it, far from its end
        with Readers(database.postgres, "a") as readers:
            begun = time.monotonic()
            said = caught(lambda: database.up({"1_a.sql": "alter table a add more int"}, clock=SystemClock(), budget=1))
            took = time.monotonic() - begun
        assert "pg_dump (pid " in said
        assert ") dumps this database, still after 1 s" in said
        assert 1 <= took < 3
        late = max(readers.waits)
        print(f"\na running dump: given up after {took:.1f} s, {len(readers.waits)} reads, longest {late * 1000:.0f} ms")
        assert late < SLACK
        dump.stdout.read()
    assert dump.returncode == 0
    assert database.up({"1_a.sql": "alter table a add more int"}) == ["1_a"]
