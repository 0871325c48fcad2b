"""Migrations in a real PostgreSQL: what runs, what a failure leaves, and what the next run does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sluice.core.clock import ManualClock, SystemClock
from sluice.core.errors import ConfigError, MigrationFailed, Refused, Superseded, Unreachable
from sluice.core.migration.file import folder
from sluice.core.migration.history import Kind, plan
from sluice.core.store import Store
from sluice.systems.migrations import look, losses, read, run
from tests.fixtures.postgres import PASSWORD, Postgres

pytestmark = pytest.mark.embedded


class Database:
    """A database of its own, its store, and short words for what tests do with it."""

    def __init__(self, postgres: Postgres, name: str) -> None:
        self.postgres, self.name, self.logged = postgres, name, [""]
        self.store = Store(host=postgres.host, port=postgres.port, user=postgres.user, passfile=str(postgres.passfile), dbname=name)

    def sql(self, query: str) -> list[Any]:
        """Run one statement and return its rows."""
        with self.postgres.connect(dbname=self.name, client_encoding="utf8") as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    def up(self, texts: Mapping[str, str], target: str | None = None, *, phase: Kind = "expand", **more: Any) -> list[str]:
        """Plan and run, with no real waiting between tries."""
        files = folder(texts)
        facts = {name: more.pop(name) for name in ("compatible", "lossy") if name in more}
        way = plan(files, look(self.store), target=files[-1].id if target is None else target, phase=phase, **facts)
        options = {"check": lambda: None, "clock": ManualClock(), "log": self.logged.append, **more}
        return run(self.store, way, **options)

    def rows(self) -> list[tuple[str, str, int, int]]:
        """Return id, state, done and total of each row."""
        return [(row.id, row.state, row.done, row.total) for row in look(self.store)]

    def tables(self) -> list[str]:
        """Return the tables of the schema public."""
        return [
            name
            for (name,) in self.sql("select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' order by 1")
        ]


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Database]:
    with postgres.connect() as connection:
        connection.execute("create database migrated template template0")
        yield Database(postgres, "migrated")
        connection.execute("drop database migrated with (force)")


def caught(action: Callable[[], object]) -> str:
    with pytest.raises(MigrationFailed) as found:
        action()
    return str(found.value)


USERS = {"0001_users.sql": "create table users (id int primary key, name text);\ninsert into users values (1, 'a'), (2, 'b');"}


def test_up(database: Database):
    """Files run in order, each statement of them, and the history says who, for what, and how long."""
    texts = {**USERS, "0010_b.sql": "alter table users add c int", "0009_a.sql": "alter table users add b text default 'x;y'"}
    assert database.up(texts, release="r7", by="ada") == ["0001_users", "0009_a", "0010_b"]
    assert database.sql("select * from users order by id") == [(1, "a", "x;y", None), (2, "b", "x;y", None)]
    assert database.rows() == [("0001", "applied", 2, 2), ("0009", "applied", 1, 1), ("0010", "applied", 1, 1)]
    row = look(database.store)[0]
    assert (row.release, row.by, row.up, row.error) == ("r7", "ada", USERS["0001_users.sql"], "")
    assert row.seconds is not None
    assert 0 <= row.seconds < 10
    assert database.up(texts) == []


def test_look_writes_nothing(database: Database):
    """Looking makes no table, and is not stopped by a role that can only read."""
    with database.postgres.connect() as connection:
        connection.execute(f"create role reader login password '{PASSWORD}' in role pg_read_all_data")
    try:
        reader = database.store.model_copy(update={"user": "reader"})
        assert look(reader) == []
        assert database.sql("select to_regclass('sluice_history.migration')") == [(None,)]
        database.up(USERS)
        assert [row.id for row in look(reader)] == ["0001"]
    finally:
        with database.postgres.connect() as connection:
            connection.execute("drop role reader")


def test_refused_plan_does_not_run(database: Database):
    """A plan with a refusal touches nothing, not even to make the history table."""
    store = database.store
    text = f"""database {store.host}:{store.port}/migrated cannot be migrated to '7':
  - revision '7' is neither a file nor in the database (files: 0001): check the release"""
    with pytest.raises(Refused) as found:
        database.up(USERS, "7")
    assert str(found.value) == text
    assert database.sql("select to_regclass('sluice_history.migration')") == [(None,)]


def test_no_right_to_make_the_history(database: Database):
    """A role without CREATE is told what to grant."""
    guest = database.store.model_copy(update={"user": "guest"})
    with pytest.raises(Refused) as found:
        run(guest, plan(folder(USERS), [], target="0001", phase="expand"), check=lambda: None)
    where = f"database {guest.host}:{guest.port}/migrated"
    why = "the history table sluice_history.migration cannot be made (permission denied for database migrated)"
    assert str(found.value) == f"{where}: {why}: grant CREATE on the database to 'guest'"


def test_an_event_trigger_refuses_the_history(database: Database):
    """Where the database's own rules refuse the history table, that is what is said."""
    database.sql("create function no() returns event_trigger language plpgsql as $$begin raise exception 'no DDL today'; end$$")
    database.sql("create event trigger no on ddl_command_start execute function no()")
    with pytest.raises(Refused, match=r"an event trigger of the database refuses the history table .* \(no DDL today\): let it pass"):
        database.up(USERS)


def test_failed_transaction_leaves_nothing(database: Database):
    """A statement that fails takes back those before it; the mended file runs from its start, and its new text is what counts."""
    texts = {"1_a.sql": "create table a (b int);\n\ninsert into a values ('secret-word')"}
    assert caught(lambda: database.up(texts)) == (
        "migration '1_a' failed at statement 2 of 2 (line 3, 'insert into a values ('…')'): "
        'invalid input syntax for type integer: "secret-word"; the database is unchanged by it: mend the file or the data, then `pulumi up`'
    )
    assert database.tables() == []
    assert database.rows() == [("1", "failed", 0, 2)]
    assert database.up({"1_a.sql": "create table a (b int)"}) == ["1_a"]
    assert database.rows() == [("1", "applied", 1, 1)]


def test_deferred_constraint(database: Database):
    """What fails at commit is a failure of the whole file."""
    database.up({"1_a.sql": "create table a (b int unique deferrable initially deferred)"})
    texts = {"1_a.sql": "create table a (b int unique deferrable initially deferred)", "2_b.sql": "insert into a values (1), (1)"}
    assert caught(lambda: database.up(texts)) == (
        "migration '2_b' failed at its end: duplicate key value violates unique constraint \"a_b_key\"; "
        "the database is unchanged by it: mend the file or the data, then `pulumi up`"
    )
    assert database.rows() == [("1", "applied", 1, 1), ("2", "failed", 0, 1)]


def test_verify(database: Database):
    """A verify query with a row rolls its file back."""
    texts = {"1_a.sql": "-- verify: none empty: select from a where b is null -- all\ncreate table a (b int);\ninsert into a values (null)"}
    assert caught(lambda: database.up(texts)) == (
        "migration '1_a' failed at its end: verify 'none empty' found rows; "
        "the database is unchanged by it: mend the file or the data, then `pulumi up`"
    )
    assert database.tables() == []


def test_precheck(database: Database):
    """All prechecks are reported, before anything is written."""
    database.up(USERS)
    texts = {
        **USERS,
        "2_b.sql": "-- precheck: one: select 1\n-- precheck: none: select 1 where false\n-- precheck: two: select from users\nselect 1",
    }
    assert caught(lambda: database.up(texts)) == (
        "migration '2_b' failed before its start: precheck 'one' and 'two' found rows; "
        "the database is unchanged by it: mend these rows, then `pulumi up`"
    )
    assert database.rows() == [("0001", "applied", 2, 2)]
    texts["2_b.sql"] = "-- precheck: odd: select * from nowhere\nselect 1"
    assert caught(lambda: database.up(texts)) == (
        "migration '2_b' failed before its start: a precheck cannot be asked: relation \"nowhere\" does not exist; "
        "the database is unchanged by it: mend the file or the data, then `pulumi up`"
    )


CONCURRENT = """-- transaction: none
create table log (n int);
create unique index concurrently if not exists once on users (name);
insert into log values (1)
"""


def test_concurrently(database: Database):
    """Outside a transaction what is done stays, an invalid index is dropped, and the next run goes on behind what is done."""
    database.up(USERS)
    database.sql("insert into users values (3, 'a')")
    texts = {**USERS, "2_b.sql": CONCURRENT}
    assert caught(lambda: database.up(texts)) == (
        "migration '2_b' failed at statement 2 of 3 (line 3, 'create unique index concurrently if not exists once on user…'): "
        'could not create unique index "once"; 1 of 3 statements are done and stay: mend the file or the data, then `pulumi up`'
    )
    assert database.rows()[1] == ("2", "failed", 1, 3)
    assert database.sql("select indisvalid from pg_index where indexrelid = 'once'::regclass") == [(False,)]
    database.sql("delete from users where id = 3")
    assert database.up(texts) == ["2_b"]
    assert database.sql("select indisvalid from pg_index where indexrelid = 'once'::regclass") == [(True,)]
    assert database.sql("select * from log") == [(1,)]
    assert database.rows()[1] == ("2", "applied", 3, 3)


@pytest.mark.parametrize(
    ("mended", "there"),
    [
        (CONCURRENT.replace("once", "other").replace("unique ", ""), [("other",)]),
        ("-- transaction: none\n", []),
        ("", []),
    ],
    ids=["another name", "no index", "one transaction"],
)
def test_another_index(database: Database, mended: str, there: list[Any]):
    """The invalid index of a failed build is dropped by the name that was sent, whatever the mended file has instead."""
    database.up(USERS)
    database.sql("insert into users values (3, 'a')")
    broken = CONCURRENT.replace("create table log (n int);\n", "")
    caught(lambda: database.up({**USERS, "2_b.sql": broken}))
    left = "select indexrelid::regclass::text from pg_index where indrelid = 'users'::regclass and not indisprimary"
    assert database.sql(left) == [("once",)]
    text = mended.replace("create table log (n int);\n", "").replace("insert into log values (1)", "") + "select 1"
    assert database.up({**USERS, "2_b.sql": text}) == ["2_b"]
    assert database.sql(left) == there
    assert "migration 2_b: drops the invalid index once that an earlier try has left" in database.logged


def test_settings_again(database: Database):
    """What a file has set for its session is set again before the next run goes on: by SET, and by `set_config`."""
    text = "-- transaction: none\nset app.one = '1';\nselect set_config('app.two', '2', false);\n"
    text += "create table a (b text);\ninsert into a select current_setting('app.one') || current_setting('app.two') from c"
    caught(lambda: database.up({"1_a.sql": text}))
    assert database.rows() == [("1", "failed", 3, 4)]
    database.sql("create table c as select 1")
    assert database.up({"1_a.sql": text}) == ["1_a"]
    assert database.sql("select b from a") == [("12",)]


def test_verify_outside_a_transaction(database: Database):
    """A verify that fails after statements that stay is asked again by the next run, which repeats none of them."""
    texts = {"1_a.sql": "-- transaction: none\n-- verify: none: select from a\ncreate table a (b int);\ninsert into a values (1)"}
    assert caught(lambda: database.up(texts)) == (
        "migration '1_a' failed at its end: verify 'none' found rows; "
        "2 of 2 statements are done and stay: mend the file or the data, then `pulumi up`"
    )
    database.sql("delete from a")
    assert database.up(texts) == ["1_a"]


def test_backfill(database: Database):
    """A backfill goes on in batches until no row is left, and says how far it is; interrupted, it goes on with what is left."""
    database.sql("create table t as select n as id, null::int as b from generate_series(1, 95) n")
    texts = {"1_a.sql": "-- backfill: batch=10 pause=5s\nupdate t set b = id where id in (select id from t where b is null limit :batch)"}
    checks = iter([None] * 6)
    with pytest.raises(StopIteration):
        database.up(texts, check=lambda: next(checks))
    assert database.sql("select count(b) from t") == [(40,)]
    assert database.rows() == [("1", "running", 0, 1)]
    assert database.up(texts) == ["1_a"]
    assert database.sql("select count(*) from t where b = id") == [(95,)]
    assert database.rows() == [("1", "applied", 1, 1)]
    assert database.logged[-2:] == ["migration 1_a: 50 rows so far", "migration 1_a: 55 rows changed, none is left"]


def test_down(database: Database):
    """Settle goes back with the SQL that the history has, though no file of it is here, and forgets what it took back."""
    texts = {
        **USERS,
        "2_b.sql": "create table b ()",
        "2_b.down.sql": "drop table b",
        "3_c.sql": "create table c ()",
        "3_c.down.sql": "drop table c",
    }
    database.up(texts)
    assert database.tables() == ["b", "c", "users"]
    assert database.up(USERS, phase="settle") == ["3_c", "2_b"]
    assert database.tables() == ["users"]
    assert database.rows() == [("0001", "applied", 2, 2)]


def test_down_fails(database: Database):
    """A way back that fails leaves the migration applied, and the next run tries it again."""
    texts = {"1_a.sql": "create table a (b int)", "1_a.down.sql": "drop table a"}
    database.up(texts)
    database.sql("create view v as select * from a")
    assert caught(lambda: database.up(texts, "", phase="settle")) == (
        "the way back of migration '1_a' failed at statement 1 of 1 (line 1, 'drop table a'): cannot drop table a because other objects "
        "depend on it; it is still applied: the way back is the one that the database has kept, so its file must stay as it is: mend the "
        "data, then `pulumi up`, or release a revision from '1' on, with a new file that undoes it"
    )
    assert database.rows() == [("1", "reverting", 0, 1)]
    assert database.up(texts) == ["1_a"]  # nothing of it happened, so it counts as applied again
    assert database.rows() == [("1", "applied", 1, 1)]
    database.sql("drop view v")
    assert database.up(texts, "", phase="settle") == ["1_a"]
    assert database.rows() == []


def test_a_new_file_undoes_what_has_no_way_back(database: Database):
    """After a way back that failed, a new file that undoes the same leads on, as the error says."""
    texts = {"1_a.sql": "create table a (b int)", "1_a.down.sql": "drop table a"}
    database.up(texts)
    database.sql("create view v as select * from a")
    caught(lambda: database.up(texts, "", phase="settle"))
    assert database.up({**texts, "2_b.sql": "drop table a cascade"}) == ["1_a", "2_b"]
    assert database.tables() == []
    assert [row[:2] for row in database.rows()] == [("1", "applied"), ("2", "applied")]


def test_losses(database: Database):
    """What going back would lose is counted as the migration says."""
    texts = {
        "1_a.sql": "-- way: lossy\n-- loses: select count(*) from a\ncreate table a (b int);\ninsert into a values (1), (2)",
        "1_a.down.sql": "drop table a",
    }
    database.up(texts)
    assert losses(database.store, [row.migration for row in look(database.store)]) == {"1": 2}
    with pytest.raises(Refused):
        database.up(texts, "", phase="settle")
    assert database.up(texts, "", phase="settle", lossy=["1"]) == ["1_a"]


def test_check_stops(database: Database):
    """When the lock is lost, a transaction is rolled back, and the row is left to whoever has the lock now."""

    class LockLost(Exception):
        pass

    left = iter([None, None, None])

    def check() -> None:
        if next(left, "") == "":
            raise LockLost

    with pytest.raises(LockLost):
        database.up(USERS, check=check)
    assert database.tables() == []
    assert database.rows() == [("0001", "running", 0, 2)]
    assert database.up(USERS) == ["0001_users"]


def test_superseded(database: Database):
    """A run whose row another run has changed rolls back: it does not write over it."""

    def check() -> None:
        if database.sql("select to_regclass('sluice_history.migration') is not null") == [(True,)]:
            database.sql("update sluice_history.migration set state = 'failed'")

    with pytest.raises(Superseded) as found:
        database.up(USERS, check=check)
    assert str(found.value) == "the row of migration '0001' in sluice_history.migration is not as this run left it: another run is at work"
    assert database.tables() == []


def test_stale_plan(database: Database):
    """A plan for a history that has changed since is not followed."""
    way = plan(folder(USERS), look(database.store), target="0001", phase="expand")
    database.up(USERS)
    with pytest.raises(Superseded) as found:
        run(database.store, way, check=lambda: None)
    where = f"database {database.store.host}:{database.store.port}/migrated"
    assert str(found.value) == f"{where}: its migrations have changed since they were planned: `pulumi up` plans again"


def test_statement_timeout(database: Database):
    """A statement that takes too long is ended, by the limit of its file."""
    texts = {"1_a.sql": "-- statement_timeout: 50ms\nselect pg_sleep(30)"}
    assert caught(lambda: database.up(texts)) == (
        "migration '1_a' failed at statement 1 of 1 (line 2, 'select pg_sleep(30)'): canceling statement due to statement timeout; "
        "the database is unchanged by it: mend the file or the data, then `pulumi up`"
    )


def test_blocked(database: Database):
    """A session that keeps its lock is named when all tries are over, and readers wait no longer than the lock timeout each time."""
    database.up(USERS)
    waits: list[float] = []
    over = threading.Event()

    def reading() -> None:
        with database.postgres.connect(dbname="migrated") as connection:
            while not over.is_set():
                begun = time.monotonic()
                connection.execute("select count(*) from users where name = 'x'")
                waits.append(time.monotonic() - begun)

    with database.postgres.connect(dbname="migrated", autocommit=False, application_name="report") as holder:
        holder.execute("select count(*) from users where name <> 'private'")
        reader = threading.Thread(target=reading)
        reader.start()
        try:
            texts = {**USERS, "2_b.sql": "-- lock_timeout: 300ms\nalter table users add b int"}
            text = caught(lambda: database.up(texts))
        finally:
            over.set()
            reader.join()
        pid = holder.info.backend_pid
    seen = f"pid {pid} (report, idle in transaction, for N s, 'select count(*) from users where name <> '…'')"
    assert re.sub(r"for \d+ s", "for N s", text) == (
        "migration '2_b' failed at statement 1 of 1 (line 2, 'alter table users add b int'): canceling "
        "statement due to lock timeout 5 times, "
        f"behind {seen}; the database is unchanged by it: wait for that session, or end it with `select pg_terminate_backend({pid})`, "
        "then `pulumi up`"
    )
    assert max(waits) > 0.2  # they did queue behind it
    assert max(waits) < 1.0
    assert database.rows()[1] == ("2", "failed", 0, 1)
    assert database.up(texts) == ["2_b"]


def test_patience(database: Database):
    """A concurrent build, behind which nobody queues, waits for old transactions as long as the budget, then names them."""
    database.up(USERS)
    text = "-- transaction: none\n-- lock_timeout: 100ms\ncreate index concurrently if not exists i on users (name)"
    texts = {**USERS, "2_b.sql": text}
    with database.postgres.connect(dbname="migrated", autocommit=False, application_name="report") as holder:
        holder.execute("insert into users values (9, 'z')")
        begun = time.monotonic()
        told = caught(lambda: database.up(texts, budget=1, clock=SystemClock()))
        assert 0.9 < time.monotonic() - begun < 3
        pid = holder.info.backend_pid
        holder.commit()
    seen = f"pid {pid} (report, idle in transaction, for N s, 'insert into users values (9, '…')')"
    assert re.sub(r"for \d+ s", "for N s", told) == (
        "migration '2_b' failed at statement 1 of 1 (line 3, 'create index concurrently if not exists i on users (name)'): "
        f"canceling statement due to lock timeout, behind {seen}; no statement is done: "
        f"wait for that session, or end it with `select pg_terminate_backend({pid})`, then `pulumi up`"
    )
    assert database.sql("select indisvalid from pg_index where indexrelid = 'i'::regclass") == [(False,)]
    assert database.up(texts) == ["2_b"]
    assert database.sql("select indisvalid from pg_index where indexrelid = 'i'::regclass") == [(True,)]


def test_lock_that_comes_later(database: Database):
    """The whole transaction is tried again when a lock did not come, so a short reader costs a try."""
    database.up(USERS)
    holder = database.postgres.connect(dbname="migrated", autocommit=False)
    holder.execute("select from users")

    class Clock(ManualClock):
        def wait(self, seconds: float) -> None:
            holder.close()
            super().wait(seconds)

    texts = {**USERS, "2_b.sql": "-- lock_timeout: 100ms\ncreate table early ();\nalter table users add b int"}
    assert database.up(texts, clock=Clock()) == ["2_b"]
    assert database.rows()[1] == ("2", "applied", 2, 2)


def test_budget(database: Database):
    """Tries end with the budget, though there could be more of them."""
    database.up(USERS)
    with database.postgres.connect(dbname="migrated", autocommit=False) as holder:
        holder.execute("select from users")
        texts = {**USERS, "2_b.sql": "-- lock_timeout: 200ms\nalter table users add b int"}
        assert "canceling statement due to lock timeout, behind pid" in caught(lambda: database.up(texts, budget=0.1))


def test_dump(database: Database):
    """No DDL while a dump runs: it waits within its budget, and then names the dump."""
    with database.postgres.connect(dbname="migrated", application_name="pg_dump") as dump:
        text = caught(lambda: database.up(USERS, budget=3))
        assert re.sub(r", for \d+ s", ", for 0 s", text) == (
            f"migration '0001_users' failed before its start: pg_dump (pid {dump.info.backend_pid}, for 0 s) dumps this "
            f"database, still after 3 s, and DDL beside it "
            "would block every reader; the database is unchanged by it: wait for its end, then `pulumi up`"
        )
        assert database.rows() == []

        class Clock(ManualClock):
            def wait(self, seconds: float) -> None:
                dump.close()
                super().wait(seconds)
                time.sleep(0.02)  # the server takes a moment to notice

        assert database.up(USERS, clock=Clock()) == ["0001_users"]


def test_dump_by_another_name(database: Database):
    """A dump whose name was changed is known by its COPY."""
    database.sql("create table big as select n, repeat('x', 1000) as t from generate_series(1, 20000) n")
    with database.postgres.connect(dbname="migrated", application_name="nightly") as dump, dump.cursor() as cursor:
        with cursor.copy("COPY public.big TO stdout") as rows:
            next(iter(rows))  # the server waits for its reader, far from the end
            assert f"nightly (pid {dump.info.backend_pid}, for 0 s) dumps this database" in caught(lambda: database.up(USERS, budget=1))
            for _ in rows:
                pass
        assert database.up(USERS) == ["0001_users"]


def test_lock_holder_is_no_orphan(database: Database):
    """The session that holds an advisory lock is left alone, whatever its name."""
    with database.postgres.connect(dbname="migrated", application_name="sluice migration lock") as holder:
        holder.execute("select pg_advisory_lock(1)")
        database.up(USERS)
        assert holder.execute("select 1").fetchone() == (1,)


def test_application_name(database: Database):
    """A session of a migration says so, for whoever looks who blocks them."""
    database.up({"7_a.sql": "create table seen as select application_name from pg_stat_activity where pid = pg_backend_pid()"})
    assert database.sql("select * from seen") == [("sluice migration 7",)]


def test_read(tmp_path: Path):
    """A folder is read as a whole; what cannot be read is a problem of the configuration."""
    (tmp_path / "0001_a.sql").write_bytes(b"select 1;\r\nselect 2;\r\n")
    (tmp_path / "README.md").write_text("no migration")
    assert [one.name for one in read(tmp_path)] == ["0001_a"]
    assert read(tmp_path)[0].sha256 == folder({"0001_a.sql": "select 1;\nselect 2;\n"})[0].sha256
    (tmp_path / "0002_b.sql").write_text("selec 1;")
    with pytest.raises(ConfigError) as wrong:
        read(tmp_path)
    assert str(wrong.value).startswith(f'{tmp_path}/0002_b.sql: line 1: column 1: syntax error at or near "selec"')
    (tmp_path / "0002_b.sql").write_bytes(b"select 1;\n\nselect '\xff'")
    (tmp_path / "0003_c.sql").write_text("select 'ü'", encoding="latin-1")
    with pytest.raises(ConfigError) as torn:
        read(tmp_path)
    assert torn.value.problems == [
        f"{tmp_path}/0002_b.sql: line 3: is not UTF-8 (byte 0xff, invalid start byte): save it as UTF-8 text",
        f"{tmp_path}/0003_c.sql: line 1: is not UTF-8 (byte 0xfc, invalid start byte): save it as UTF-8 text",
    ]
    with pytest.raises(ConfigError) as found:
        read(tmp_path / "no")
    assert str(found.value) == f"{tmp_path / 'no'}: cannot be read (No such file or directory)"


def test_any_locale(tmp_path: Path):
    """A file is the same migration on a machine that speaks another encoding: it is UTF-8 everywhere."""
    (tmp_path / "0001_a.sql").write_text("select 'Zoë';\n", encoding="utf-8")
    code = "import sys, pathlib; from sluice.systems.migrations import read; print(read(pathlib.Path(sys.argv[1]))[0].sha256)"
    env = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    there = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=env, capture_output=True, text=True, check=False)
    assert (there.stdout.strip(), there.stderr) == (folder({"0001_a.sql": "select 'Zoë';\n"})[0].sha256, "")


def test_unreachable(database: Database):
    """A database that is not there is unreachable, in the server's words."""
    store = database.store.at("absent")
    with pytest.raises(Unreachable) as found:
        look(store)
    assert str(found.value) == f'database {store.host}:{store.port}/absent: FATAL:  database "absent" does not exist'
