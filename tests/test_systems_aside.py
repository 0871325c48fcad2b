"""A drill's copy and the live world: what it must not reach, and how that comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from sluice.core.backup.format import Format
from sluice.core.errors import BackupFailed
from sluice.core.store import Store
from sluice.systems.aside import open_copy
from sluice.systems.drill import drill
from sluice.systems.shelf import load
from tests.fixtures.postgres import PASSWORD, Postgres
from tests.fixtures.store import connect, databases, fresh
from tests.test_systems_drill import backed

pytestmark = pytest.mark.embedded


@pytest.fixture
def live(postgres: Postgres) -> Iterator[Store]:
    """Return another live database, which takes what it is sent."""
    for other in fresh(postgres):
        with connect(other) as connection:
            connection.execute("create table inbox (note text)")
        yield other


@pytest.fixture
def wired(store: Store, live: Store) -> Store:
    """Return a database that writes to the other by a trigger, and reads it by a foreign table."""
    conn = f"host={live.host} port={live.port} dbname={live.dbname} user={live.user} password={PASSWORD}"
    with connect(store) as connection:
        connection.execute(f"""
            create extension dblink;
            create extension postgres_fdw;
            create server far foreign data wrapper postgres_fdw options (host '{live.host}', port '{live.port}', dbname '{live.dbname}');
            create user mapping for owner server far options (user 'owner', password '{PASSWORD}');
            create foreign table inbox (note text) server far;
            create function tell(said text) returns text language sql as
                $$select public.dblink_exec('{conn}', format('insert into inbox values (%L)', said))$$;
            create function told() returns trigger language plpgsql as $$begin perform tell(new.note); return new; end$$;
            create trigger told after insert on orders for each row execute function told();
            create trigger always after update on orders for each row execute function told();
            alter table orders enable always trigger always;
            create function shout() returns event_trigger language plpgsql as $$begin perform public.tell('ddl'); end$$;
        """)
    return store


def inbox(live: Store) -> list[str]:
    """Return what the live database was sent."""
    with connect(live) as connection:
        return [str(note) for (note,) in connection.execute("select note from inbox order by note")]


@pytest.mark.parametrize("form", list(Format))
def test_unreachable(wired: Store, live: Store, tmp_path: Path, form: Format):
    """In a copy neither triggers, functions, foreign tables nor a check can write to another database; opened, it is as it was."""
    one = backed(wired, tmp_path / "b", format=form)
    copy = wired.at(drill(wired, one).scratch)
    blocked = rf"^blocked: '{copy.dbname}' is a drill's copy"
    with connect(copy) as connection:
        connection.execute("insert into orders (note) values ('quiet')")
        with pytest.raises(psycopg.errors.RaiseException, match=blocked):
            connection.execute("select tell('direct')")
        with pytest.raises(psycopg.errors.RaiseException, match=blocked):
            connection.execute("update orders set note = 'always' where id = 1")
        with pytest.raises(psycopg.Error, match=r'^foreign-data wrapper "postgres_fdw" has no handler'):
            connection.execute("insert into inbox values ('foreign')")
        assert connection.execute("select count(*) from pg_user_mapping").fetchone() == (0,)
    assert inbox(live) == []
    open_copy(copy)
    open_copy(copy)
    with connect(copy) as connection:
        connection.execute("insert into orders (note) values ('trigger')")
        connection.execute("insert into inbox values ('foreign')")
        assert connection.execute("select to_regnamespace('sluice_aside')").fetchone() == (None,)
        assert (
            connection.execute(
                "select setconfig from pg_db_role_setting s join pg_database d on d.oid = setdatabase where datname = current_database()"
            ).fetchall()
            == []
        )
    assert inbox(live) == ["foreign", "trigger"]


def test_unprotected(wired: Store, live: Store):
    """The danger is real: the same trigger in a copy made without the remedy writes to the live database."""
    name = f"{wired.dbname}_naked"
    with connect(wired.at("postgres")) as connection:
        connection.execute(f"create database {name} template {wired.dbname}")
    with connect(wired.at(name)) as connection:
        connection.execute("insert into orders (note) values ('from a copy')")
    assert inbox(live) == ["from a copy"]


def test_check_cannot_reach(wired: Store, live: Store, tmp_path: Path):
    """A team's own check that calls such a function fails, and reaches nobody."""
    one = backed(wired, tmp_path / "b")
    with pytest.raises(Exception, match=r"check 'calls': blocked: '\w+' is a drill's copy$"):
        drill(wired, one, checks={"calls": "select tell('check')"})
    assert inbox(live) == []


@pytest.mark.parametrize("form", [Format.CUSTOM, Format.PLAIN])
def test_first_row(wired: Store, live: Store, tmp_path: Path, form: Format):
    """What runs for each restored row, a check of a table, reaches nobody: the remedy is there before the first row."""
    with connect(wired) as connection:
        connection.execute("create table loud (note text check (tell(note) <> '')); insert into loud values ('once')")
    one = backed(wired, tmp_path / "b", format=form)
    assert inbox(live) == ["once"]
    with pytest.raises(BackupFailed, match=r"blocked: '\w+' is a drill's copy"):
        drill(wired, one)
    assert inbox(live) == ["once"]


def test_exact(wired: Store, tmp_path: Path):
    """What is put back is what was there: the same functions, handlers and mappings, to the letter."""
    functions = """select oid::regprocedure::text, pg_get_functiondef(oid) from pg_proc
        where prokind = 'f' and pronamespace = 'public'::regnamespace order by 1"""
    wrappers = "select fdwname, fdwhandler::regproc::text from pg_foreign_data_wrapper order by 1"
    mappings = "select srvname, usename, array(select unnest(umoptions) order by 1) from pg_user_mappings order by 1"
    seen = []
    copy = wired.at(drill(wired, backed(wired, tmp_path / "b")).scratch)
    open_copy(copy)
    for store in (wired, copy):
        with connect(store) as connection:
            seen.append([connection.execute(query).fetchall() for query in (functions, wrappers, mappings)])
    assert seen[0] == seen[1]
    assert len(seen[0][0]) > 30


def test_event_trigger(wired: Store, live: Store, tmp_path: Path):
    """Event triggers, one that runs at each login among them, do not run in a copy."""
    with connect(wired) as connection:
        connection.execute("create function hail() returns event_trigger language plpgsql as $$begin perform public.tell('login'); end$$")
        connection.execute("create event trigger late on ddl_command_end execute function shout(); alter event trigger late enable always")
        connection.execute("create event trigger hail on login execute function hail(); alter event trigger hail enable always")
    copy = wired.at(drill(wired, backed(wired, tmp_path / "b")).scratch)
    before = len(inbox(live))  # the live database's own logins
    with connect(copy) as connection:
        connection.execute("create table more (id int)")
    assert len(inbox(live)) == before
    with connect(wired) as connection:
        connection.execute("drop event trigger hail")


@pytest.mark.parametrize("form", [Format.CUSTOM, Format.DIRECTORY])
def test_view(wired: Store, live: Store, tmp_path: Path, form: Format):
    """A computed view that reads another system does not fail a drill, reaches nobody, and is computed when the copy is opened."""
    with connect(live) as connection:
        connection.execute("insert into inbox values ('theirs')")
    with connect(wired) as connection:
        connection.execute("create materialized view own as select count(*) as n from orders; create unique index on own (n)")
        connection.execute("create materialized view theirs as select note from inbox")
        connection.execute("create materialized view loud as select tell('view') as said")
        connection.execute('create materialized view "On Top" as select count(*) as n from theirs')
    assert inbox(live) == ["theirs", "view"]
    done = drill(wired, backed(wired, tmp_path / "b", format=form), jobs=2)
    blocked = f"blocked: '{done.scratch}' is a drill's copy"
    assert sorted(done.notes) == [
        '`REFRESH MATERIALIZED VIEW public."On Top"` waits for the copy to be opened: materialized view "theirs" has not been populated',
        f"`REFRESH MATERIALIZED VIEW public.loud` waits for the copy to be opened: {blocked}",
        '`REFRESH MATERIALIZED VIEW public.theirs` waits for the copy to be opened: foreign-data wrapper "postgres_fdw" has no handler',
    ]
    assert inbox(live) == ["theirs", "view"]
    copy = wired.at(done.scratch)
    with connect(copy) as connection:
        assert connection.execute("select n from own").fetchone() == (5000,)
    assert open_copy(copy) == []
    with connect(copy) as connection:
        assert connection.execute('select n from "On Top"').fetchone() == (2,)
    assert inbox(live) == ["theirs", "view", "view"]


def test_late_view(wired: Store, live: Store, tmp_path: Path):
    """A computed view whose other system does not answer does not keep a copy closed: it is told."""
    with connect(wired) as connection:
        connection.execute("create materialized view theirs as select note from inbox")
    copy = wired.at(drill(wired, backed(wired, tmp_path / "b")).scratch)
    with connect(live) as connection:
        connection.execute("drop table inbox")
    assert open_copy(copy) == ['`REFRESH MATERIALIZED VIEW public.theirs` failed: relation "public.inbox" does not exist']


def test_no_copy(store: Store):
    """A database that is no copy is left alone."""
    assert open_copy(store) == []
    with connect(store) as connection:
        assert connection.execute("select count(*) from orders").fetchone() == (5000,)


def test_untrusted(store: Store, tmp_path: Path):
    """A function in an untrusted language is told: from inside it cannot be blocked."""
    with connect(store) as connection:
        connection.execute("create function reach(internal) returns internal language c as '$libdir/dblink', 'dblink_connect'")
    done = drill(store, backed(store, tmp_path / "b"), keep=False)
    assert done.notes == ("public.reach in c is not blocked: its language is untrusted",)
    assert load(tmp_path / "b")[0].verified
    assert done.scratch not in databases(store)
