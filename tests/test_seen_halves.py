"""What a statement outside a transaction may leave half done, in a real database."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from sluice.core.errors import Refused
from tests.fixtures.postgres import Postgres
from tests.test_systems_migrations import Database, caught
from tests.test_systems_migrations_crash import until

pytestmark = pytest.mark.embedded
NONE = "-- transaction: none\n"
PAIR = """create procedure pair() language plpgsql as
    $$ begin insert into log values (1); commit; lock table other; insert into log values (2); perform 1 / (select n from zero); end $$"""


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Database]:
    with postgres.connect() as connection:
        connection.execute("create database halves template template0")
        yield Database(postgres, "halves")
        connection.execute("drop database halves with (force)")


@pytest.fixture
def pair(database: Database) -> Database:
    """Given a procedure that commits a row, and then fails."""
    for text in ("create table log (n int)", "create table other ()", "create table zero as select 0 as n", PAIR):
        database.sql(text)
    return database


def test_a_procedure_that_commits_half(pair: Database):
    """What has committed a part of itself and failed is not run again until a person has looked; the SQL that is offered lets it go on."""
    texts = {"1_a.sql": NONE + "call pair(); insert into log values (3)"}
    assert caught(lambda: pair.up(texts)) == (
        "migration '1_a' failed at statement 1 of 2 (line 2, 'call pair()'): division by zero; no statement is done: "
        "this one may have committed a part of itself, and `pulumi up` says what to look at"
    )
    with pytest.raises(Refused) as found:
        pair.up(texts)
    skip = "update sluice_history.migration set doing = 0, done = 1 where id = '1'"
    assert str(found.value).endswith(
        "  - '1_a' is half applied (0 of 2 statements), and statement 1 (line 2, 'call pair()') may have committed a part of it before it "
        f"failed: look whether it did; if not, run in psql: update sluice_history.migration set doing = 0 where id = '1'; if so: {skip}; "
        "then `pulumi up`"
    )
    assert pair.sql("select n from log") == [(1,)]
    pair.sql("insert into log values (2)")
    pair.sql(skip)
    assert pair.up(texts) == ["1_a"]
    assert pair.sql("select n from log order by n") == [(1,), (2,), (3,)]


def test_a_procedure_that_waits(pair: Database):
    """A lock that does not come fails it at once: a second try would repeat what it has committed."""
    with pair.postgres.connect(dbname="halves", autocommit=False) as holder:
        holder.execute("lock table other")
        text = caught(lambda: pair.up({"1_a.sql": f"{NONE}-- lock_timeout: 100ms\ncall pair()"}))
    assert "canceling statement due to lock timeout; no statement is done: this one may have committed a part of itself" in text
    assert pair.sql("select n from log") == [(1,)]


def test_a_way_back_that_commits_half(pair: Database):
    """The same holds on the way back."""
    texts = {"1_a.sql": "create table a ()", "1_a.down.sql": NONE + "call pair(); drop table a"}
    pair.up(texts)
    assert "this one may have committed a part of itself" in caught(lambda: pair.up(texts, "", phase="settle"))
    with pytest.raises(Refused, match=r"'1_a' is half reverted \(0 of 2 statements\), and statement 1 .* may have committed a part"):
        pair.up(texts, "", phase="settle")
    assert pair.sql("select n from log") == [(1,)]


def test_a_block_that_cannot_commit(pair: Database):
    """A DO block without COMMIT runs in a transaction with its count: what fails in it leaves nothing, and no doubt."""
    texts = {"1_a.sql": NONE + "do $$ begin insert into log values (1); perform 1 / n from zero; end $$; insert into log values (2)"}
    assert "division by zero; no statement is done: mend the file or the data" in caught(lambda: pair.up(texts))
    assert pair.sql("select n from log") == []
    pair.sql("update zero set n = 1")
    assert pair.up(texts) == ["1_a"]
    assert pair.sql("select n from log order by n") == [(1,), (2,)]


def test_a_setting_of_the_file(database: Database):
    """A SET of the file holds for what follows it, also when a later run goes on behind it."""
    database.sql("create schema shop")
    texts = {"1_a.sql": NONE + "set search_path = shop; create table a (n int); insert into b values (1); create table c ()"}
    assert 'relation "b" does not exist; 2 of 4 statements are done' in caught(lambda: database.up(texts))
    database.sql("create table shop.b (n int)")
    assert database.up(texts) == ["1_a"]
    assert database.sql("select relname from pg_class where relnamespace = 'shop'::regnamespace order by 1") == [("a",), ("b",), ("c",)]
    assert database.tables() == []


def test_an_orphan_that_does_not_end(database: Database):
    """What a dead deployer has left, and the server cannot end, stops the next run: two would be at work."""
    with database.postgres.connect(dbname="halves", application_name="sluice migration 1") as orphan:
        pid = orphan.info.backend_pid
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(Refused) as found:
                database.up({"1_a.sql": "create table a ()"})
        finally:
            os.kill(pid, signal.SIGCONT)
    assert str(found.value) == f"sluice migration 1 (pid {pid}), which a dead deployer has left, does not end: see what it waits for"
    assert database.tables() == []
    assert database.up({"1_a.sql": "create table a ()"}) == ["1_a"]


def test_a_history_that_is_being_made(database: Database):
    """What a dead deployer was making, the schema of the history, is waited for and then used."""
    with database.postgres.connect(dbname="halves", autocommit=False) as other:
        other.execute("create schema sluice_history")
        thread = threading.Thread(target=database.up, args=[{"1_a.sql": "create table a ()"}])
        thread.start()
        until(
            lambda: bool(database.sql("select 1 from pg_stat_activity where application_name = 'sluice' and wait_event_type = 'Lock'")),
            "it",
        )
        other.commit()
        thread.join()
    assert database.rows() == [("1", "applied", 1, 1)]
