"""A killed deployer, a killed child and a killed server in the middle of revisions: the database is at one of them exactly."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from sluice.core.errors import MigrationFailed, Refused
from sluice.core.migration.alembic import Alembic
from sluice.core.store import Store
from tests.fixtures.alembic import add, tree
from tests.test_systems_alembic_run import failed, go, rows, sql, version
from tests.test_systems_migrations_crash import until

pytestmark = pytest.mark.embedded

# What a deployer does, in a process that can be killed.
DEPLOYER = """
import json, sys
from sluice.core.database import Database
from sluice.systems import scheme
database, phase = json.loads(sys.argv[1])
database = Database.read(database)
found = scheme.of(database)
found.run(found.plan(target=database.target, phase=phase), check=lambda: None)
"""
CALM = (
    'op.execute("create table a (b int)")\nop.execute("insert into a values (1)")\nop.execute("select pg_sleep(1.5)")',
    'op.execute("drop table a")\nop.execute("select pg_sleep(1.5)")',
)
# Not while its SQL is rendered, for which it runs too.
KILL = "\nimport os\nif not op.get_context().as_sql:\n    os.kill(os.getpid(), 9)"
ALONE = (
    'op.execute("create table a as select n as b from generate_series(1, 50) n")\n'
    "with op.get_context().autocommit_block():\n"
    '    op.execute("select pg_sleep(1.5)")\n'
    '    op.execute("create index concurrently a_b on a (b)")',
    'op.drop_table("a")',
)


# Seconds in which a deployer starts its own Python and the team's, twice.
STARTS = 40.0
# Ends its transaction by a way that nobody sees, and everybody who could know of it.
BOTH = """
import os
if not op.get_context().as_sql:
    op.get_bind().connection.dbapi_connection.commit()
    os.kill(os.getppid(), 9)
    os.kill(os.getpid(), 9)
"""


def deployer(store: Store, spec: Alembic, target: str, phase: str = "expand") -> subprocess.Popen[bytes]:
    database = {"store": store.wire(), "alembic": spec.wire(), "target": target}
    words = [sys.executable, "-c", DEPLOYER, json.dumps([database, phase])]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def asleep(store: Store) -> Callable[[], bool]:
    """Say whether a revision's session sleeps."""
    query = "select 1 from pg_stat_activity where application_name like 'sluice migration %' and wait_event = 'PgSleep'"
    return lambda: bool(sql(store, query))


def idle(store: Store) -> Callable[[], bool]:
    """Say whether no session of a migration is left."""
    return lambda: not sql(store, "select 1 from pg_stat_activity where application_name like 'sluice migration%'")


def given(place: Path, way: tuple[str, str]) -> Alembic:
    spec = tree(place)
    add(spec, "aa1", None, ('op.execute("create table first (id int)")', 'op.drop_table("first")'))
    add(spec, "bb2", "aa1", way)
    return spec


def there(store: Store, name: str) -> bool:
    return sql(store, f"select to_regclass('{name}') is not null") == [(True,)]


def test_killed_deployer(store: Store, tmp_path: Path):
    """The child of a killed deployer asks before it commits, hears nothing, and takes all back; the next run goes on from there."""
    spec = given(tmp_path, CALM)
    one = deployer(store, spec, "bb2")
    until(asleep(store), "sleeps", STARTS)
    (child,) = psutil.Process(one.pid).children()
    one.kill()
    one.wait()
    assert child.is_running()
    until(idle(store), "ends")
    assert (version(store), rows(store)) == (["aa1"], [("aa1", "applied", 0), ("bb2", "running", 0)])
    assert not there(store, "a")
    assert go(store, spec, "bb2") == ["bb2_step_bb2"]
    assert (version(store), rows(store)[-1], there(store, "a")) == (["bb2"], ("bb2", "applied", 0), True)


def test_the_next_deployer_does_not_wait(store: Store, tmp_path: Path):
    """What a killed deployer has left running is ended by the next one, which has the lock."""
    spec = given(tmp_path, (CALM[0].replace("1.5", "600"), CALM[1]))
    one = deployer(store, spec, "bb2")
    until(asleep(store), "sleeps", STARTS)
    one.kill()
    one.wait()
    add(spec, "bb2", "aa1", CALM)
    log: list[str] = []
    assert go(store, spec, "bb2", log=log.append) == ["bb2_step_bb2"]
    assert any("which a dead deployer had left" in line for line in log)
    assert version(store) == ["bb2"]


def test_killed_child(store: Store, tmp_path: Path):
    """When the team's Python dies the database takes all back, and the error says so."""
    spec = given(tmp_path, (CALM[0] + KILL, CALM[1]))
    said = failed(store, spec, "bb2")
    assert said.startswith("migration 'bb2_step_bb2' failed: its Python was killed by signal 9")
    until(idle(store), "ends")
    assert (version(store), there(store, "a")) == (["aa1"], False)
    add(spec, "bb2", "aa1", CALM)
    assert go(store, spec, "bb2") == ["bb2_step_bb2"]


def test_killed_on_the_way_back(store: Store, tmp_path: Path):
    """A way back that was interrupted has not happened: it is applied when the release wants it, and goes back when it does not."""
    spec = given(tmp_path, CALM)
    go(store, spec, "bb2")
    one = deployer(store, spec, "aa1", "settle")
    until(asleep(store), "sleeps", STARTS)
    one.kill()
    one.wait()
    until(idle(store), "ends")
    assert (version(store), rows(store)[-1], there(store, "a")) == (["bb2"], ("bb2", "reverting", 0), True)
    go(store, spec, "bb2")
    assert rows(store)[-1] == ("bb2", "applied", 0)
    sql(store, "update sluice_history.migration set state = 'reverting' where id = 'bb2'")
    assert go(store, spec, "aa1", "settle") == ["bb2_step_bb2"]
    assert (version(store), there(store, "a")) == (["aa1"], False)


def test_killed_outside_a_transaction(store: Store, tmp_path: Path):
    """Of a revision that commits by itself the history says what stays, with the part that does; a person decides."""
    spec = given(tmp_path, ALONE)
    one = deployer(store, spec, "bb2")
    until(asleep(store), "sleeps", STARTS)
    one.kill()
    one.wait()
    until(idle(store), "ends")
    assert (version(store), there(store, "a")) == (["aa1"], True)
    assert rows(store)[-1] == ("bb2", "running", 2)
    for phase, target in (("expand", "bb2"), ("settle", "aa1")):
        with pytest.raises(Refused) as error:
            go(store, spec, target, phase)
        assert (
            "'bb2_step_bb2' commits by itself, and was interrupted on its way after statement 1; the last that it sent: "
            "select pg_sleep(1.5): look what of it is there and undo that, then in psql: update sluice_history.migration set doing = 0 "
            "where id = 'bb2'; or finish it by hand, set Alembic's own table to where it is (`alembic stamp`), and update"
        ) in str(error.value)
    sql(store, "drop table a; update sluice_history.migration set doing = 0 where id = 'bb2'")
    assert go(store, spec, "bb2") == ["bb2_step_bb2"]


def test_terminated_session(store: Store, tmp_path: Path):
    """A server that ends the session has taken all back, which the error says, and that the next run finds out."""
    spec = given(tmp_path, CALM)

    def later() -> None:
        until(asleep(store), "sleeps", STARTS)
        sql(store, "select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'")

    thread = threading.Thread(target=later)
    thread.start()
    with pytest.raises(MigrationFailed, match="the connection is gone, and with it the transaction, unless it had just committed"):
        go(store, spec, "bb2")
    thread.join()
    assert (version(store), there(store, "a")) == (["aa1"], False)
    assert go(store, spec, "bb2") == ["bb2_step_bb2"]


def test_an_interrupt_is_the_deployers(store: Store, tmp_path: Path):
    """An interrupt at the terminal does not reach the child, which is not in the deployer's group of processes."""
    spec = given(tmp_path, CALM)
    one = deployer(store, spec, "bb2")
    until(asleep(store), "sleeps", STARTS)
    (child,) = psutil.Process(one.pid).children()
    assert os.getpgid(child.pid) == child.pid
    one.send_signal(signal.SIGTERM)
    one.wait()
    until(idle(store), "ends")
    assert version(store) == ["aa1"]


def test_an_unseen_commit_that_nobody_survives(store: Store, tmp_path: Path):
    """A part that was committed by a way that nobody sees is in doubt, too, when deployer and child die with it: its row says so."""
    spec = given(tmp_path, (f'op.execute("create table a (b int)"){BOTH}', 'op.execute("drop table a")'))
    one = deployer(store, spec, "bb2")
    assert one.wait() == -signal.SIGKILL
    until(idle(store), "ends")
    assert (version(store), rows(store)[-1], there(store, "a")) == (["aa1"], ("bb2", "running", 1), True)
    with pytest.raises(Refused, match="'bb2_step_bb2' commits by itself, and was interrupted on its way after statement 0"):
        go(store, spec, "bb2")


def test_a_session_that_is_ended_unnoticed(store: Store, tmp_path: Path):
    """A revision that computes for hours, and whose session is ended meanwhile, is not waited for."""
    slow = "import time\nif not op.get_context().as_sql:\n    op.get_bind().execute(sa.text('select pg_sleep(1.5)'))\n    time.sleep(600)"
    spec = given(tmp_path, (f'op.execute("create table a (b int)")\n{slow}', 'op.drop_table("a")'))
    query = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'sluice migration bb2' and state like 'idle%'"

    def later() -> None:
        until(asleep(store), "sleeps", STARTS)
        until(lambda: bool(sql(store, query)), "is ended")

    thread = threading.Thread(target=later)
    thread.start()
    said = failed(store, spec, "bb2")
    thread.join()
    assert said == (
        "migration 'bb2_step_bb2' failed: its session was ended, and its Python has not noticed; the connection is gone, and with it the "
        "transaction, unless it had just committed: `pulumi up` finds out and goes on"
    )
    assert (version(store), there(store, "a")) == (["aa1"], False)


def test_hangs_up(store: Store, tmp_path: Path):
    """A revision that closes all that it finds, and stays, is ended."""
    close = "import os, time\nif not op.get_context().as_sql:\n    os.closerange(3, 256)\n    time.sleep(600)"
    spec = given(tmp_path, (f'op.execute("create table a (b int)")\n{close}', 'op.drop_table("a")'))
    assert failed(store, spec, "bb2").startswith("migration 'bb2_step_bb2' failed: its Python hung up, and was ended (it said nothing)")
    assert (version(store), there(store, "a")) == (["aa1"], False)


def test_a_thread_of_its_own(store: Store, tmp_path: Path):
    """The child of a killed deployer ends, and its session, although a thread of the team's code would go on for ever."""
    spec = given(tmp_path, CALM)
    env = Path(spec.folder) / "env.py"
    env.write_text("import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\n" + env.read_text())
    one = deployer(store, spec, "bb2")
    until(asleep(store), "sleeps", STARTS)
    one.kill()
    one.wait()
    until(idle(store), "ends")
    assert (version(store), there(store, "a")) == (["aa1"], False)
