"""A killed deployer, and a killed server, in the middle of migrations: the next run ends fully applied, or refuses by rule."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from sluice.core.errors import MigrationFailed, Refused, Unreachable
from sluice.core.migration.file import folder
from sluice.core.migration.history import plan
from sluice.core.store import Store
from sluice.systems.migrations import look, run
from tests.fixtures.postgres import BIN, NOBODY, Postgres

pytestmark = pytest.mark.embedded

# What a deployer does, in a process that can be killed.
DEPLOYER = """
import json, sys
from sluice.core.migration.file import folder
from sluice.core.migration.history import plan
from sluice.core.store import Store
from sluice.systems.migrations import look, run
store, texts, target, phase = json.loads(sys.argv[1])
store = Store.read(store)
run(store, plan(folder(texts), look(store), target=target, phase=phase), check=lambda: None)
"""
CALM = {
    "1_a.sql": "create table a (b int);\ninsert into a values (1);\nselect pg_sleep(1);\ninsert into a values (2);",
    "1_a.down.sql": "drop table a; select pg_sleep(1)",
}
ALONE = """-- transaction: none
create table a as select n as b from generate_series(1, 50) n;
create index concurrently if not exists a_b on a (b);
select pg_sleep(1);
insert into a values (99);
"""
# The build sleeps at its first row.
SLOW = "create function slow(n int) returns int immutable language plpgsql as $$ begin perform pg_sleep(0.02); return n; end $$"
BUILD = "-- transaction: none\ncreate index concurrently {}a_b on a (slow(b));\ninsert into a values (99);"
FILL = "-- backfill: batch=5 pause=20ms\nupdate a set b = -b where b in (select b from a where b > 0 limit :batch)"


def store(postgres: Postgres, name: str) -> Store:
    return Store(host=postgres.host, port=postgres.port, user=postgres.user, passfile=str(postgres.passfile), dbname=name)


def sql(at: Store, query: str) -> list[Any]:
    import psycopg

    with psycopg.connect(**at.of, autocommit=True, client_encoding="utf8") as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def deployer(at: Store, texts: Mapping[str, str], target: str = "1", phase: str = "expand") -> subprocess.Popen[bytes]:
    words = json.dumps([at.wire(), texts, target, phase])
    return subprocess.Popen([sys.executable, "-c", DEPLOYER, words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def until(true: Callable[[], bool], what: str, within: float = 8) -> None:
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.01)


def sent(at: Store, beginning: str) -> Callable[[], bool]:
    """Say whether a migration's session runs a statement that begins so."""
    query = (
        f"select 1 from pg_stat_activity where application_name ~ '^sluice migration \\d$' and state = "
        f"'active' and query like '{beginning}%'"
    )
    return lambda: bool(sql(at, query))


def killed(at: Store, texts: Mapping[str, str], beginning: str, **more: str) -> None:
    """Kill a deployer while the server runs a statement, and goes on with it: a server notices a dead client when it answers."""
    process = deployer(at, texts, **more)
    try:
        until(sent(at, beginning), beginning)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def again(at: Store, texts: Mapping[str, str], target: str = "1", phase: Any = "expand") -> list[str]:
    way = plan(folder(texts), look(at), target=target, phase=phase)
    return run(at, way, check=lambda: None, log=lambda _: None)


def row(at: Store) -> tuple[str, int, int]:
    return next((one.state, one.done, one.doing) for one in look(at))


@pytest.fixture
def at(postgres: Postgres) -> Iterator[Store]:
    with postgres.connect() as connection:
        connection.execute("create database crashed template template0")
        yield store(postgres, "crashed")
        connection.execute("drop database crashed with (force)")


def test_killed_in_a_transaction(at: Store):
    """Of a transaction nothing is left: the next run does all of it."""
    killed(at, CALM, "select pg_sleep")
    assert row(at) == ("running", 0, 0)
    assert sql(at, "select to_regclass('a')") == [(None,)]
    assert again(at, CALM) == ["1_a"]
    assert sql(at, "select b from a order by 1") == [(1,), (2,)]


def test_orphan(at: Store):
    """What a dead deployer has left running is ended before anything else, and told."""
    texts = {"1_a.sql": "select pg_sleep(60)"}
    killed(at, texts, "select pg_sleep")
    mended, logged = folder({"1_a.sql": "select 1"}), []
    run(at, plan(mended, look(at), target="1", phase="expand"), check=lambda: None, log=logged.append)
    assert re.fullmatch(r"migration: ended sluice migration 1 \(pid \d+\), which a dead deployer had left", logged[0])
    assert not sent(at, "select pg_sleep")()


def test_ended_session(at: Store):
    """A session that is ended from outside, as a fence does, is told as lost, and leaves its row as after a crash."""
    query = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'sluice migration 1'"

    def fence() -> None:
        until(sent(at, "select pg_sleep"), "the sleep")
        sql(at, query)

    thread = threading.Thread(target=fence)
    thread.start()
    with pytest.raises(MigrationFailed) as found:
        again(at, CALM)
    thread.join()
    assert str(found.value) == (
        "migration '1_a' failed at statement 3 of 4 (line 3, 'select pg_sleep(1)'): terminating connection due to administrator command; "
        "the connection is gone, and with it the transaction, unless it had just committed: `pulumi up` finds out and goes on"
    )
    assert row(at) == ("running", 0, 0)
    assert again(at, CALM) == ["1_a"]


def test_killed_before_the_first_statement(at: Store):
    """A deployer that dies once the row is written has done nothing, with a transaction or without."""
    for text in (CALM["1_a.sql"], ALONE):
        sql(at, "create table a ()")  # holds the deployer in its first statement
        import psycopg

        with psycopg.connect(**at.of) as holder:
            holder.execute("lock table a in access exclusive mode")
            killed(
                at, {"1_a.sql": "-- lock_timeout: 9s\n" + text.replace("create table a", "drop table a; create table a", 1)}, "drop table a"
            )
        assert row(at) == ("running", 0, 0)
        assert again(at, {"1_a.sql": text.replace("create table a", "drop table a; create table a", 1)}) == ["1_a"]
        sql(at, "drop table a; ")
        sql(at, "drop schema sluice_history cascade")


def test_killed_between_statements(at: Store):
    """Outside a transaction the count is committed with its statement: the next run goes on behind it, and repeats nothing."""
    killed(at, {"1_a.sql": ALONE}, "select pg_sleep")
    assert row(at) == ("running", 2, 0)
    assert again(at, {"1_a.sql": ALONE}) == ["1_a"]
    assert sql(at, "select count(*), max(b) from a") == [(51, 99)]


def test_killed_in_an_index(at: Store):
    """The invalid index of a killed build is dropped, and it is built again."""
    sql(at, SLOW)
    sql(at, "create table a as select n as b from generate_series(1, 40) n")
    texts = {"1_a.sql": BUILD.format("if not exists ")}
    killed(at, texts, "create index concurrently")
    assert row(at) == ("running", 0, 1)
    assert sql(at, "select indisvalid from pg_index where indexrelid = 'a_b'::regclass") == [(False,)]
    assert again(at, texts) == ["1_a"]
    assert sql(at, "select indisvalid from pg_index where indexrelid = 'a_b'::regclass") == [(True,)]
    assert row(at) == ("applied", 2, 0)


def test_killed_in_an_index_that_cannot_be_repeated(at: Store):
    """Without IF NOT EXISTS it is refused with what to look at; the SQL that is offered resolves it, one way or the other."""
    sql(at, SLOW)
    sql(at, "create table a as select n as b from generate_series(1, 40) n")
    texts = {"1_a.sql": BUILD.format("")}
    killed(at, texts, "create index concurrently")
    with pytest.raises(Refused) as found:
        again(at, texts)
    mend = "update sluice_history.migration set doing = 0 where id = '1'"
    skip = "update sluice_history.migration set doing = 0, done = 1 where id = '1'"
    assert str(found.value) == (
        f"database {at.host}:{at.port}/crashed cannot be migrated to '1':\n"
        "  - '1_a' is half applied (0 of 2 statements), and statement 1 (line 2, 'create index concurrently a_b on a (slow(b))') may have "
        f"happened before the crash: look whether it did; if not, run in psql: {mend}; if so: {skip}; then `pulumi up`"
    )
    sql(at, mend)
    assert again(at, texts) == ["1_a"]
    assert sql(at, "select indisvalid from pg_index where indexrelid = 'a_b'::regclass") == [(True,)]
    sql(at, "update sluice_history.migration set state = 'running', done = 0, doing = 1")
    sql(at, skip)
    assert again(at, texts) == ["1_a"]
    assert sql(at, "select count(*) from a where b = 99") == [(2,)]  # it went on behind the index


def test_killed_in_a_backfill(at: Store):
    """A backfill goes on with what is left."""
    sql(at, "create table a as select n as b from generate_series(1, 400) n")
    process = deployer(at, {"1_a.sql": FILL})
    try:
        until(lambda: sql(at, "select count(*) from a where b < 0") >= [(20,)], "some batches")
    finally:
        process.kill()
        process.wait()
    assert row(at) == ("running", 0, 0)
    assert sql(at, "select count(*) from a where b > 0") != [(0,)]
    assert again(at, {"1_a.sql": FILL.replace("batch=5 pause=20ms", "batch=100 pause=0ms")}) == ["1_a"]
    assert sql(at, "select count(*) from a where b > 0") == [(0,)]


def test_killed_on_the_way_back(at: Store):
    """Of a way back in a transaction nothing is left: it can be gone again, or forward."""
    again(at, CALM)
    killed(at, CALM, "select pg_sleep", target="", phase="settle")
    assert row(at) == ("reverting", 0, 0)
    assert sql(at, "select count(*) from a") == [(2,)]
    assert again(at, CALM) == ["1_a"]
    assert row(at) == ("applied", 4, 0)
    assert again(at, CALM, "", "settle") == ["1_a"]
    assert sql(at, "select to_regclass('a')") == [(None,)]


def test_killed_after_the_commit(at: Store):
    """A deployer that dies after its commit leaves nothing to do."""
    texts = {"1_a.sql": CALM["1_a.sql"], "2_b.sql": "select pg_sleep(3)"}
    killed(at, texts, "select pg_sleep(3", target="2")
    assert [(one.id, one.state) for one in look(at)] == [("1", "applied"), ("2", "running")]
    way = plan(folder(texts), look(at), target="2", phase="expand")
    assert [step.migration.id for step in way.steps] == ["2"]


@pytest.fixture
def own() -> Iterator[Postgres]:
    """Return a server that a test may kill."""
    server = Postgres()
    server.start()
    yield server
    if server.server.poll() is None:
        server.close()


def crash(server: Postgres) -> None:
    """Kill the server with all its backends, as a power cut does, and start it again on the same data."""
    fell(server)
    revive(server)


def fell(server: Postgres) -> None:
    """Kill the server with all its backends."""
    import psutil

    processes = [psutil.Process(server.server.pid), *psutil.Process(server.server.pid).children(recursive=True)]
    for process in processes:
        process.kill()
    # The first is for its parent to wait for.
    psutil.wait_procs(processes[1:], timeout=10)


def revive(server: Postgres) -> None:
    """Start a dead server again on its data."""
    server.server.wait()
    (server.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
    options = ["-h", server.host, "-p", str(server.port), "-k", "", "-F", "-c", "max_connections=20"]
    log = (server.folder / "log").open("ab")
    server.server = subprocess.Popen(
        [str(BIN / "postgres"), "-D", str(server.folder / "data"), *options], stdout=log, stderr=log, cwd="/", **NOBODY
    )
    server._await()


@pytest.mark.parametrize(("text", "now"), [(CALM["1_a.sql"], "transaction"), (ALONE, "count")])
def test_server_killed(own: Postgres, text: str, now: str):
    """When the server dies the error says what is unsure, and the next run finds out: with a transaction, and without."""
    at, told = store(own, "postgres"), []

    def deploy() -> None:
        with pytest.raises((MigrationFailed, Unreachable)) as found:
            again(at, {"1_a.sql": text})
        told.append(str(found.value))

    thread = threading.Thread(target=deploy)
    thread.start()
    until(sent(at, "select pg_sleep"), "the sleep")
    crash(own)
    thread.join()
    line = "server closed the connection unexpectedly"
    spot = {"transaction": "statement 3 of 4 (line 3,", "count": "statement 3 of 4 (line 4,"}[now]
    state = {
        "transaction": "the connection is gone, and with it the transaction, unless it had just committed",
        "count": "the connection is gone after 2 of 4 statements",
    }[now]
    assert told == [f"migration '1_a' failed at {spot} 'select pg_sleep(1)'): {line}; {state}: `pulumi up` finds out and goes on"]
    assert row(at) == ("running", {"transaction": 0, "count": 2}[now], 0)
    assert again(at, {"1_a.sql": text}) == ["1_a"]
    assert sql(at, "select count(*) from a") == [({"transaction": 2, "count": 51}[now],)]
