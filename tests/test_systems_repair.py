"""Rows that come back from a backup into a live database, in a real server."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sluice.core.backup.manifest import Backup, scratch
from sluice.core.errors import Interrupted, Refused, RestoreFailed, Unreachable
from sluice.core.restore.repair import Part, Repair
from sluice.core.store import Store
from sluice.systems import flags, recover_way, repair, repair_course, repair_write
from sluice.systems.repair import look, resume, run
from sluice.systems.repair_write import Job
from tests.fixtures.postgres import PASSWORD
from tests.fixtures.store import connect, databases
from tests.test_systems_recover import one, proved
from tests.test_systems_recover_crash import Steps, before, during

pytestmark = pytest.mark.embedded

# Users with their orders, values that cannot be compared, names that need quotes, and a team's trigger.
SHOP = """
    create type mood as enum ('good', 'bad');
    create table users (id bigint primary key generated always as identity, email text not null unique, moods mood[], about json);
    insert into users (email, moods, about) select n || '@example.org', '{good,bad}', '{"n": 1}' from generate_series(1, 10) n;
    create table sold (id serial primary key, user_id bigint not null references users on delete cascade, item text,
        paid numeric, twice numeric generated always as (paid * 2) stored);
    insert into sold (user_id, item, paid) select n, 'item ' || n, n from generate_series(1, 10) n;
    create table touched (what text);
    create function touch() returns trigger language plpgsql as $$begin
        insert into public.touched values (tg_op); return new; end$$;
    create trigger touch after insert or update on users for each row execute function touch();
    alter table users enable always trigger touch;
"""
SPOIL = """
    update users set email = 'gone ' || id, about = '{}' where id <= 3;
    delete from users where id in (4, 5);
    insert into users (email) values ('new@example.org');
    truncate touched;
"""
DIFFERS = "select count(*) from users where email like 'gone%' or id = 11"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def saved(store: Store, folder: Path) -> Backup:
    """Return a verified backup, with its copy kept, of a database that was spoiled since."""
    with connect(store) as connection:
        connection.execute(SHOP)
        made = proved(store, folder)
        connection.execute(SPOIL)
    return made


@pytest.fixture
def job(store: Store, saved: Backup, tmp_path: Path) -> Callable[..., Job]:
    """Return a maker of repairs: of the users unless told otherwise, paused by a flag."""

    def make(*parts: Part, **given: Any) -> Job:
        own = {name: given.pop(name) for name in ("patience", "clock", "log") if name in given}
        wanted = Repair(**{"backup": saved.id, "parts": parts or (Part(table="users"),), "flag": "paused", **given})
        paths = {"flags": tmp_path / "flags.json", "again": "AGAIN", "resume": "RESUME"}
        return Job(**{"store": store, "backup": saved, "repair": wanted, "log": lambda line: None, **paths, **own})

    return make


Make = Callable[..., Job]
LEFT = "no row was changed, and 'paused' is on, and stays so: mend that, and run the same again: AGAIN; or let go as it is: RESUME"


def users(store: Store) -> list[tuple[Any, ...]]:
    with connect(store) as connection:
        return connection.execute("select id, email, moods::text, about::text from users order by id").fetchall()


def then(store: Store, saved: Backup) -> list[tuple[Any, ...]]:
    return users(store.at(scratch(store.dbname, saved.id)))


def states(store: Store) -> list[str]:
    with connect(store) as connection:
        return [str(state) for (state,) in connection.execute("select state from sluice_history.repair order by id")]


def test_look(job: Make, store: Store, saved: Backup):
    """What would change is counted, and what is wrong is told, with nothing touched: no row, no flag, no table of ours."""
    spoiled = users(store)
    asked = job(verify=("select id from users where email like 'gone%'",), triggers=True)
    found = look(asked)
    assert found.lines == [
        "table public.users: 2 rows come back, 3 are changed back, 1 are not in the backup and kept",
        "table public.users: triggers run for each row: touch",
        "before: check 'select id from users where email like 'gone%'': found 1",
    ]
    assert found.due(asked.repair)
    assert (users(store), flags.read(asked.flags)) == (spoiled, {})
    assert one(store, "select to_regclass('sluice_history.repair') is null")


@pytest.mark.parametrize("how", [look, run])
def test_a_condition_that_writes(job: Make, store: Store, saved: Backup, how: Callable[[Job], object]):
    """A condition changes nothing, in the copy neither: that is the quick way back of the whole database, and has to be as it was."""
    copy = store.at(scratch(store.dbname, saved.id))
    numbers = "select (select last_value from users_id_seq)"
    before = [one(where, numbers) for where in (store, copy)]
    with pytest.raises((Unreachable, RestoreFailed), match=r"cannot execute nextval\(\) in a read-only transaction"):
        how(job(Part(table="users", where="nextval('users_id_seq') > 0"), flag=""))
    assert [one(where, numbers) for where in (store, copy)] == before
    assert recover_way.changes(copy, saved.manifest, lambda: None) == []


@pytest.mark.parametrize("name", ["pg_class", "information_schema.sql_parts", "sluice_history.migration"])
def test_what_is_nobodys_data(job: Make, store: Store, name: str):
    """Catalogs say where this very database's files are, and a history what it is: neither is brought in from another one."""
    with connect(store) as connection:
        whole = name if "." in name else f"pg_catalog.{name}"
        connection.execute("create schema if not exists sluice_history; create table sluice_history.migration (id text primary key)")
    with pytest.raises(Refused) as caught:
        look(job(Part(table=name)))
    (why,) = caught.value.reasons
    assert why == f"table {whole}: is the server's own, or Sluice's: bring back the whole database"


def test_run(job: Make, store: Store, saved: Backup):
    """Rows come back byte for byte, newer ones stay, numbers are not given out again, triggers rest; the flag is on meanwhile alone."""
    seen: list[dict[str, bool]] = []
    asked = job(log=lambda line: seen.append(flags.read(asked.flags)), verify=("select count(*) = 11 from users",))
    one(store, "select setval('users_id_seq', 2)")
    said = run(asked)
    assert said == [
        "'paused' is on for every version that runs",
        "nothing is in flight",
        "table public.users: 2 rows come back, 3 are changed back, 1 are not in the backup and kept",
        "sequence public.users_id_seq: goes on after 11, it was at 2",
        "'paused' is not set again",
    ]
    assert seen == [*[{"paused": True}] * 4, {}]
    assert users(store) == [*then(store, saved), (11, "new@example.org", None, None)]
    assert one(store, "insert into users (email) values ('next') returning id") == 12
    assert one(store, "select count(*) from touched") == 1
    assert one(store, "select tgenabled::text from pg_trigger where tgname = 'touch'") == "A"
    assert states(store) == ["done"]
    assert one(store, "select changes -> 'public.users' ->> 'change' from sluice_history.repair") == "3"
    assert not look(job(Part(table="users", where="id < 11"))).due(asked.repair)
    # Once more there is nothing to do, and it does no harm.
    assert run(job())[2] == "table public.users: 0 rows come back, 0 are changed back, 2 are not in the backup and kept"


def test_chosen(job: Make, store: Store, saved: Backup):
    """Only the rows that are chosen come back, by what they were in the backup; of the others none is touched."""
    run(job(Part(table="users", where="email in ('2@example.org', '4@example.org')")))
    kept = {row[0]: row[1] for row in users(store)}
    assert kept == {
        1: "gone 1",
        2: "2@example.org",
        3: "gone 3",
        4: "4@example.org",
        **{n: f"{n}@example.org" for n in range(6, 11)},
        11: "new@example.org",
    }


def test_several(job: Make, store: Store, saved: Backup):
    """Tables come back in the order of their foreign keys, and rows that are not in the backup go the other way when that is wanted."""
    with connect(store) as connection:
        connection.execute("insert into sold (user_id, item, paid) values (11, 'new', 1)")
    run(job(Part(table="sold"), Part(table="users"), remove=True))
    assert users(store) == then(store, saved)
    assert one(store, "select count(*) || ' ' || max(twice) from sold") == "10 20"


def test_a_key_that_is_missing(job: Make, store: Store):
    """A row whose parent is not there is refused by its foreign key, triggers off or not: nothing is changed, and the flag stays."""
    asked = job(Part(table="sold"))
    with pytest.raises(RestoreFailed) as caught:
        run(asked)
    why = 'insert or update on table "sold" violates foreign key constraint "sold_user_id_fkey"'
    why += ": bring back the rows of the other table as well"
    assert str(caught.value) == f"{why}; {LEFT}"
    assert (one(store, "select count(*) from sold"), flags.read(asked.flags), states(store)) == (8, {"paused": True}, ["begun"])
    with pytest.raises(Refused, match=r"repair 1 of '.*' \(sold\) was begun and not ended: run that again, or let go of it: RESUME"):
        run(job())
    assert resume(store, asked.flags) == ["'paused' is not set again", "repair 1 is given up: no row was changed"]
    assert (flags.read(asked.flags), states(store)) == ({}, ["left"])
    assert resume(store, asked.flags) == [f"no repair of '{store.dbname}' is under way: there is nothing to let go"]


def test_rows_that_take_others(job: Make, store: Store):
    """Before anything is paused, a row is not removed with which others would go; the table is told."""
    asked = job(remove=True)
    for act in (look, run):
        with pytest.raises(Refused) as caught:
            act(asked)
        assert str(caught.value) == (
            f"'{store.dbname}' is not repaired, nothing was touched:\n  - table public.users: rows of public.sold are deleted with them: "
            "choose that table too, or keep the rows (without --remove)"
        )
    assert flags.read(asked.flags) == {}


def test_verify(job: Make, store: Store):
    """What does not hold after the rows are back takes them away again; the same order goes on once it does."""
    spoiled = users(store)
    asked = job(verify=("select email from users where id = 11", "select true"))
    with pytest.raises(RestoreFailed) as caught:
        run(asked)
    assert str(caught.value) == f"check 'select email from users where id = 11': found new@example.org; {LEFT}"
    assert (users(store), flags.read(asked.flags)) == (spoiled, {"paused": True})
    with connect(store) as connection:
        connection.execute("delete from users where id = 11")
    assert run(asked)[-1] == "'paused' is not set again"
    assert states(store) == ["done"]


@pytest.mark.parametrize(
    ("reachable", "rows"), [(True, "the rows are back"), (False, "whether the rows are back is not known yet")], ids=["asked", "not asked"]
)
def test_told_to_stop_once_they_are_back(job: Make, store: Store, reachable: bool, rows: str):
    """What ends a repair just after its transaction has committed does not make anybody believe that nothing was changed."""

    def log(line: str) -> None:
        if line.startswith("table "):
            with connect(store.at("postgres")) as connection:
                connection.execute(f"alter database {store.dbname} allow_connections {reachable}".encode())
            raise KeyboardInterrupt

    asked = job(log=log)
    with pytest.raises(Interrupted) as caught:
        run(asked)
    with connect(store.at("postgres")) as connection:
        connection.execute(f"alter database {store.dbname} allow_connections true".encode())
    assert str(caught.value) == f"told to stop while it was to mend; {LEFT.replace('no row was changed', rows)}"
    assert (states(store), flags.read(asked.flags)) == (["mended"], {"paused": True})
    assert run(job()) == ["'paused' is not set again"]


def test_verify_writes_nothing(job: Make, store: Store):
    """A verify that would write is refused by the server, and takes all with it."""
    with connect(store) as connection:
        connection.execute("create function sly() returns bool language sql as 'delete from public.sold returning true'")
    with pytest.raises(RestoreFailed, match="cannot execute DELETE in a read-only transaction"):
        run(job(verify=("select sly()",)))
    assert one(store, "select count(*) from sold") == 8


def test_triggers(job: Make, store: Store):
    """With --triggers the team's run, and may have their own idea of a row; a rule that changes rows without is found."""
    run(job(triggers=True))
    assert one(store, "select string_agg(what, ' ' order by what) from touched") == "INSERT INSERT UPDATE UPDATE UPDATE"
    with connect(store) as connection:
        connection.execute("delete from users where id = 1; create rule none as on insert to users do instead nothing")
    with pytest.raises(RestoreFailed, match=r"^rows of public.users are not those of the backup after they were written"):
        run(job())


def test_in_flight(job: Make, store: Store):
    """A transaction that began before the flag was switched is waited for; so is what the team's own question finds."""
    with connect(store) as working, connect(store) as other:
        other.execute("create table jobs (id int); insert into jobs values (7)")
        working.execute("begin")
        working.execute("select from users")
        pid = working.info.backend_pid
        asked = job(in_flight="select id from jobs", patience=0.2)
        with pytest.raises(RestoreFailed) as caught:
            run(asked)
        assert str(caught.value).startswith(f"in flight after 0.2 s: pid {pid} ('' of owner, since ")
        assert str(caught.value).endswith(f"), 7 by 'select id from jobs'; {LEFT}")

        done: list[str] = []
        # The same, with the patience that it needs.
        more = job(in_flight="select id from jobs", patience=30.0)
        waiting = threading.Thread(target=lambda: done.extend(run(more)))
        waiting.start()
        time.sleep(1)
        assert done == []
        working.execute("commit")
        time.sleep(1)
        assert done == []
        other.execute("delete from jobs")
        waiting.join(30)
    assert done[1] == "nothing is in flight"
    assert done[-1] == "'paused' is not set again"


def test_a_table_that_nobody_can_read(job: Make, monkeypatch: pytest.MonkeyPatch, store: Store):
    """A look at a table that somebody changes ends with the reason: it holds the lock of the data, and a release would wait behind it."""
    monkeypatch.setattr(repair_write, "LOCK", 0.2)
    monkeypatch.setattr(repair, "LOCK", 0.2)
    with connect(store) as changing:
        changing.execute("begin; lock table users in access exclusive mode")
        with pytest.raises(Unreachable) as caught:
            look(job())
        changing.execute("rollback")
    why = "canceling statement due to lock timeout: somebody has been writing there for 0.2 s, or changing the table"
    assert str(caught.value) == f"database {store.place}: {why}"


def test_a_writer(job: Make, monkeypatch: pytest.MonkeyPatch, store: Store):
    """Who began later and writes all the same keeps the repair out, for a time; who only reads does not, and is not kept out."""
    monkeypatch.setattr(repair_course, "LOCK", 0.2)
    monkeypatch.setattr(repair, "LOCK", 0.2)
    asked = job()
    with connect(store) as writer:

        def late(line: str) -> None:
            if line == "nothing is in flight":
                writer.execute("begin; update users set about = null where id = 10")

        with pytest.raises(RestoreFailed) as caught:
            run(job(log=late))
        assert (
            str(caught.value)
            == f"canceling statement due to lock timeout: somebody has been writing there for 0.2 s, or changing the table; {LEFT}"
        )
        writer.execute("rollback; begin; select from users")
        monkeypatch.setattr(repair_course, "FLYING", "select '' where false and %s is null")
        run(asked)


def test_the_flag(job: Make, store: Store):
    """A flag that paused already stays; one that somebody lets go meanwhile ends it, with no row changed; off may be what pauses."""
    asked = job()
    flags.put(asked.flags, "paused", True)
    assert run(asked)[-1] == "'paused' was on before, and stays so"
    flags.put(asked.flags, "paused", None)

    spoiled = one(store, "update users set email = 'gone' where id = 1 returning email")
    freed = job(log=lambda line: flags.put(asked.flags, "paused", False) if line == "nothing is in flight" else None)
    with pytest.raises(RestoreFailed, match=r"^'paused' was switched back meanwhile, and rows may have been written; no row was changed"):
        run(freed)
    assert one(store, "select email from users where id = 1") == spoiled
    assert resume(store, asked.flags)[0] == "'paused' is off already, and stays so"

    flags.put(asked.flags, "analysis", True)
    assert run(job(flag="analysis", on=False))[-1] == "'analysis' is on again"
    assert flags.read(asked.flags) == {"paused": False, "analysis": True}


def test_without_a_flag(job: Make, store: Store):
    """Without a flag nothing is paused, the tables are locked all the same; an interrupted one is in nobody's way."""
    with pytest.raises(RestoreFailed) as caught:
        run(job(flag="", verify=("select false",)))
    assert str(caught.value) == "check 'select false': found False; no row was changed: mend that, and run it again: AGAIN"
    assert run(job(flag=""))[0] == "nothing is in flight"
    assert states(store) == ["left", "done"]


def test_twice(job: Make):
    """A table under two names is one table, with one condition."""
    with pytest.raises(Refused, match="two of the tables are the same one: name it once"):
        look(job(Part(table="users", where="id = 1"), Part(table="public.users", where="id = 2")))


def test_told_to_stop(job: Make, store: Store):
    """Ctrl-C ends it where it is, and says what is left."""

    def stop(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        run(job(log=stop))
    assert str(caught.value).startswith("told to stop while it was to pause; no row was changed")


def test_other_columns(job: Make, store: Store, saved: Backup):
    """Columns that came since keep what they hold, those that went are not missed, and a changed type is refused by name."""
    with connect(store) as connection:
        connection.execute("alter table users add column seen int default 5, drop column moods; update users set seen = 6")
    run(job())
    assert one(store, "select string_agg(id || ':' || seen, ' ' order by id) from users where id < 7") == "1:6 2:6 3:6 4:5 5:5 6:6"
    with connect(store) as connection:
        connection.execute("alter table users alter column about type text")
    with pytest.raises(Refused, match=r"table public\.users: about is text now and json in the backup"):
        look(job())


def test_without_a_copy(job: Make, store: Store, saved: Backup):
    """Where the copy was not kept, a new one is made as a drill makes it, and kept."""
    with connect(store.at("postgres")) as connection:
        connection.execute(f"drop database {scratch(store.dbname, saved.id)}".encode())
    assert look(job()).lines[0].startswith("table public.users: 2 rows come back")
    assert scratch(store.dbname, saved.id) in databases(store)


def test_a_backup_that_will_not_do(job: Make, store: Store, saved: Backup):
    """A backup of another database or server, or one that was never restored, brings nothing back."""
    for changes, why in (
        ({"manifest": saved.manifest.model_copy(update={"system": "7"})}, "is from system 7"),
        ({"drilled": None}, "has never been restored and compared: drill it first"),
    ):
        asked = job()
        other = Job(**{**vars(asked), "backup": saved.model_copy(update=changes)})
        with pytest.raises(Refused, match=why) as caught:
            look(other)
        assert str(caught.value).startswith(f"'{store.dbname}' is not repaired, nothing was touched:")


def die(asked: Job, at: int | str, act: Any) -> bool:
    """Repair in a process of its own, which dies at a write, or when all is done and nobody knows yet; say whether it did."""
    if pid := os.fork():
        return os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    try:
        with Steps(at, act):
            run(asked)
        before()
    finally:
        os._exit(1)


def test_killed(job: Make, store: Store, saved: Backup):
    """Killed before or during any write: the rows are as they were, or all of them back; the flag is on, or let go once they are back;
    the same order goes on, and ends with the rows, the flag let go, and one line in the journal that tells it."""
    asked = job(verify=("select count(*) = 0 from users where email like 'gone%'",))
    spoiled, mended = users(store), [*then(store, saved), (11, "new@example.org", None, None)]

    def again() -> None:
        with connect(store) as connection:
            connection.execute("drop table if exists sluice_history.repair")
            connection.execute("truncate users, sold")
            columns = "(id, email, moods, about) overriding system value"
            for row in spoiled:
                connection.execute(f"insert into users {columns} values (%s, %s, %s::mood[], %s::json)".encode(), row)
        flags.put(asked.flags, "paused", None)

    again()
    with Steps(0, before) as steps:
        run(asked)
    assert steps.count > 10
    seen = set()
    for at, act in [(at, act) for at in range(1, steps.count + 1) for act in (before, during)] + [(0, before)]:
        again()
        assert die(asked, at, act), at
        rows, paused = users(store), flags.read(asked.flags)
        assert rows in (spoiled, mended), at
        assert paused in ({"paused": True}, {}), at
        seen.add((rows == mended, bool(paused)))
        run(asked)
        assert (users(store), flags.read(asked.flags)) == (mended, {}), at
        assert states(store)[-1] == "done", at
        assert set(states(store)) == {"done"}, at
    assert seen == {(False, False), (False, True), (True, True), (True, False)}


def test_no_secret(job: Make, store: Store):
    """Nothing that is said or written down has the password in it."""
    said: list[str] = []
    asked = job(log=said.append, verify=("select false",))
    with pytest.raises(RestoreFailed) as caught:
        run(asked)
    assert PASSWORD not in " ".join([*said, str(caught.value), repr(asked)])
    assert PASSWORD not in str(one(store, "select repair from sluice_history.repair"))
