"""Migrations on a copy of a backup's copy, before the live database is touched."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from sluice.core.backup.manifest import trial
from sluice.core.database import Database
from sluice.core.errors import BackupFailed, MigrationFailed, Refused
from sluice.core.store import Store
from sluice.systems import backup, migrations, schema, shelf
from sluice.systems.drill import drill
from sluice.systems.lock import held
from sluice.systems.rehearsal import rehearse
from tests.fixtures.store import FILLED, connect, databases, orphaned

pytestmark = pytest.mark.embedded
WELL = {
    "0001_total.sql": "alter table orders add column total int;\n-- a column that nobody needs to fill\n",
    "0001_total.down.sql": "alter table orders drop column total;\n",
}


def given(store: Store, folder: Path, files: dict[str, str], target: str = "0001") -> tuple[Database, str]:
    """Save and drill a database; return it with its migrations, and the name of the drill's copy."""
    place = folder / "migrations"
    place.mkdir()
    for name, text in files.items():
        (place / name).write_text(text)
    made = backup.make(store, folder / "backups")
    (one,) = [one for one in shelf.load(folder / "backups") if one.id == made.id]
    return Database(store=store, folder=str(place), target=target), drill(store, one).scratch


def untouched(store: Store, copy: str) -> None:
    """See that the live database and the copy are as they were, and that no trial is left."""
    for one in (store, store.at(copy)):
        with connect(one) as connection:
            found = connection.execute("select attname from pg_attribute where attrelid = 'orders'::regclass and attnum > 0").fetchall()
            assert found == [("id",), ("note",)]
            assert connection.execute("select to_regclass('sluice_history.migration')").fetchone() == (None,)
    assert not any("_trial" in name for name in databases(store))


def test_fails_on_real_data(store: Store, tmp_path: Path):
    """What fails on the data fails here, and says that the live database was not touched."""
    database, copy = given(store, tmp_path, {"0001_one.sql": "create unique index one on orders ((length(note)));"})
    with pytest.raises(MigrationFailed) as error:
        rehearse(database, copy)
    said = str(error.value)
    assert said.startswith(f"rehearsal of '{store.dbname}', on a copy of its backup: migration '0001_one' failed at statement 1 of 1 ")
    assert said.endswith("; the live database was not touched")
    untouched(store, copy)


def test_a_way_back_that_does_not_lead_back(store: Store, tmp_path: Path):
    """A down file that forgets something is found here, with what differs."""
    files = {**WELL, "0001_total.sql": "alter table orders add column total int; alter table orders add column more int;"}
    database, copy = given(store, tmp_path, files)
    with pytest.raises(MigrationFailed, match="the way back of 0001_total does not lead back:") as error:
        rehearse(database, copy)
    assert (
        str(error.value).partition("lead back:\n    ")[2] == "table public.orders: another one, in more; the live database was not touched"
    )
    untouched(store, copy)


@pytest.mark.parametrize(("head", "way"), [("-- way: restore-only\n", "restore-only"), ("", "restore-only")])
def test_no_way_back(store: Store, tmp_path: Path, head: str, way: str):
    """What has no way back is rehearsed up only, and says so."""
    database, copy = given(store, tmp_path, {"0001_gone.sql": f"{head}alter table orders add column total int;"})
    (line,) = rehearse(database, copy).lines
    assert re.fullmatch(rf"0001_gone: rehearsed up in \d\.\d s; '0001_gone' is {way}, so there is no way back to rehearse", line)
    untouched(store, copy)


LOSSY = {
    "0001_total.sql": "-- way: lossy\n-- loses: select count(total) from orders\n" + WELL["0001_total.sql"],
    "0001_total.down.sql": WELL["0001_total.down.sql"],
}


@pytest.mark.parametrize(("files", "how"), [(WELL, ""), (LOSSY, r" \(loses data\)")], ids=["reversible", "lossy"])
def test_there_and_back_and_there_again(store: Store, tmp_path: Path, files: dict[str, str], how: str):
    """A way back is run, one that loses data too, and leads back; the line has the seconds, and only the trial was changed."""
    database, copy = given(store, tmp_path, files)
    (line,) = rehearse(database, copy).lines
    assert re.fullmatch(rf"0001_total: rehearsed up in \d\.\d s, down in \d\.\d s{how}, and up again in \d\.\d s", line)
    untouched(store, copy)


AGAIN = {
    "0001_a.sql": "create table a (x int, y int generated always as (x * 2) stored, z int, constraint small check (y < 9));",
    "0001_a.down.sql": "drop table a;",
    "0002_y.sql": "-- phase: contract\n-- way: reversible\nalter table a drop column y;",
}
BACK = "alter table a add column y int generated always as (x * 2) stored; alter table a add constraint small check (y < 9);"


@pytest.mark.parametrize(
    ("back", "lost"),
    [
        (BACK, ""),
        ("alter table a add column w int;", "table public.a: another one, in small, y, w"),
        ("alter table a add column y int; alter table a add constraint small check (y < 9);", "table public.a: another one, in y"),
        (BACK.split("; ")[0], "table public.a: another one, in small"),
    ],
    ids=["all of it", "the column", "what makes it", "its constraint"],
)
def test_a_column_that_comes_back(store: Store, tmp_path: Path, back: str, lost: str):
    """A column that was dropped comes back at the end of its table, which is no difference; what else is not as it was is found."""
    database, copy = given(store, tmp_path, {**AGAIN, "0002_y.down.sql": back}, "0002")
    if not lost:
        (_, line) = rehearse(database, copy).lines
        assert re.fullmatch(r"0002_y: rehearsed up in \d\.\d s, down in \d\.\d s, and up again in \d\.\d s", line)
        return
    with pytest.raises(MigrationFailed, match="the way back of 0002_y does not lead back:") as error:
        rehearse(database, copy)
    assert str(error.value).partition("lead back:\n    ")[2] == f"{lost}; the live database was not touched"


def test_a_broken_way_back_that_loses_data(store: Store, tmp_path: Path):
    """A lossy down file that does not run is found before it is needed, while its file can still be mended."""
    database, copy = given(store, tmp_path, {**LOSSY, "0001_total.down.sql": "alter table orders drop column totl;"})
    with pytest.raises(MigrationFailed) as error:
        rehearse(database, copy)
    assert str(error.value).endswith(
        'failed at statement 1 of 1 (line 1, \'alter table orders drop column totl\'): column "totl" of relation "orders" does not exist; '
        "it is still applied: mend the file or the data, then `pulumi up`; the live database was not touched"
    )


@pytest.mark.parametrize(
    ("query", "why"), [("select count(totl) from orders", 'column "totl" does not exist'), ("select 'many'", "its count is no number")]
)
def test_a_count_that_does_not_work(store: Store, tmp_path: Path, query: str, why: str):
    """What counts the losses is asked on the migrated schema: it fails here, not when somebody wants to know."""
    files = {**LOSSY, "0001_total.sql": LOSSY["0001_total.sql"].replace("select count(total) from orders", query)}
    database, copy = given(store, tmp_path, files)
    said = f"what going back from '0001_total' loses cannot be counted on the migrated schema ({why}): mend its 'loses'"
    with pytest.raises(MigrationFailed, match=re.escape(said)):
        rehearse(database, copy)
    untouched(store, copy)


@pytest.mark.parametrize("forgets", [False, True])
def test_a_way_back_down_to_a_restore(store: Store, tmp_path: Path, forgets: bool):
    """What is above a file without a way back goes down and up all the same, and must lead back to that file."""
    top = {name.replace("0001", "0003"): text for name, text in LOSSY.items()}
    top["0003_total.sql"] += "alter table orders add column more int;" * forgets
    files = {"0001_a.sql": "create table a (id int);", "0001_a.down.sql": "drop table a;", "0002_b.sql": "create table b (id int);", **top}
    database, copy = given(store, tmp_path, files, "0003")
    if forgets:
        with pytest.raises(MigrationFailed, match=r"the way back of 0003_total does not lead back:\n.* in more"):
            rehearse(database, copy)
    else:
        (line,) = rehearse(database, copy).lines
        assert re.fullmatch(
            r"0001_a, 0002_b, 0003_total: rehearsed up in \d\.\d s; '0002_b' is restore-only, so the way back of 0003_total alone was "
            r"rehearsed, down in \d\.\d s \(loses data\), and up again in \d\.\d s",
            line,
        )
    untouched(store, copy)


OUTWARD = {
    "plain": "create extension dblink;\n{write}",
    "if not exists": "create extension if not exists dblink;\n{write}",
    "in a block": "do $$begin execute 'create ' || 'extension db' || 'link'; perform {call}; end$$;",
    "in a function": "create function f() returns void language plpgsql as $$begin execute 'create extension db' || 'link'; end$$;"
    "select f();\n{write}",
    "in a schema": "create schema far; create extension dblink schema far; set local search_path = far, public;\n{write}",
    "as another role": "create extension dblink; set local role pg_monitor;\n{write}",
}


@pytest.mark.parametrize("text", OUTWARD.values(), ids=OUTWARD)
def test_a_migration_that_reaches_out(store: Store, tmp_path: Path, text: str):
    """A migration that makes dblink and writes to the live database by it is blocked in the rehearsal: nothing is written there."""
    where = f"host={store.host} port={store.port} user={store.user} dbname={store.dbname} passfile={store.passfile}"
    call = f"dblink_exec('{where}', 'insert into orders (note) values (''from the rehearsal'')')"
    database, copy = given(store, tmp_path, {"0001_out.sql": text.format(call=call, write=f"select {call};")})
    with pytest.raises(MigrationFailed, match=r"blocked: '.*_trial' is a drill's copy"):
        rehearse(database, copy)
    with connect(store) as connection:
        assert connection.execute("select count(*) from orders where note = 'from the rehearsal'").fetchone() == (0,)


def test_after_a_killed_one(store: Store, tmp_path: Path):
    """What a killed rehearsal has left making its trial is ended by the next one, which makes its own and says so."""
    database, copy = given(store, tmp_path, WELL)
    with orphaned(store, "rehearsal", trial(copy), template=copy) as pid:
        said, _ = rehearse(database, copy).lines
    assert said == f"{store.dbname}: ended sluice rehearsal (pid {pid}) at '{trial(copy)}', which a dead deployer had left"
    untouched(store, copy)


def test_a_copy_that_is_gone(store: Store, tmp_path: Path):
    """Without its copy nothing can be rehearsed."""
    database, _ = given(store, tmp_path, WELL)
    with pytest.raises(
        BackupFailed, match=f"^no trial of '{store.dbname}' could be made from 'gone' \\(template database \"gone\" does not"
    ):
        rehearse(database, "gone")


def test_what_reaches_out_can_be_made(store: Store, tmp_path: Path):
    """Making what reaches out is rehearsed like anything else, plainly or in a block; only using it is blocked."""
    text = """create extension dblink; do $$begin create extension postgres_fdw; end$$;
        create server far foreign data wrapper postgres_fdw options (host 'h'); create user mapping for current_user server far;
        create foreign table out (n int) server far;"""
    database, copy = given(store, tmp_path, {"0001_x.sql": text})
    assert len(rehearse(database, copy).lines) == 1
    (tmp_path / "migrations" / "0001_x.sql").write_text(text + "select * from out;")
    with pytest.raises(MigrationFailed, match='foreign-data wrapper "postgres_fdw" has no handler'):
        rehearse(database, copy)


def test_foreign_keys_hold(store: Store, tmp_path: Path):
    """A migration that breaks a foreign key fails in the rehearsal, and what cascades does: they are not off there."""
    with connect(store) as connection:
        connection.execute("create table part (order_id int references orders on delete cascade); insert into part values (1), (2)")
    database, copy = given(store, tmp_path, {"0001_bad.sql": "insert into part values (-1);"})
    with pytest.raises(MigrationFailed, match="violates foreign key constraint"):
        rehearse(database, copy)
    (tmp_path / "migrations" / "0001_bad.sql").write_text(
        "-- verify: none is left: select from part where order_id = 1\ndelete from orders where id = 1;"
    )
    assert len(rehearse(database, copy).lines) == 1


def test_triggers(store: Store, tmp_path: Path):
    """A team's triggers run as on the live database, but for those that reach out, by themselves or through another function."""
    with connect(store) as connection:
        connection.execute("""
            create extension dblink; create table log (note text);
            create function far(note text) returns text language sql as $$select dblink_exec('dbname=none', note)$$;
            create function outward() returns trigger language plpgsql as $$begin perform far(new.note); return new; end$$;
            create function own() returns trigger language plpgsql as $$begin insert into log values (new.note); return new; end$$;
            create trigger outward after insert on orders for each row execute function outward();
            create trigger own after insert on orders for each row execute function own();
            alter table orders enable always trigger outward;
        """)
    write = "-- verify: written down: select where not exists (select from log where note = 'x')\ninsert into orders (note) values ('x');"
    database, copy = given(store, tmp_path, {"0001_x.sql": write})
    assert len(rehearse(database, copy).lines) == 1
    later = "create trigger more after insert on orders for each row execute function outward(); " + write.partition("\n")[2]
    (tmp_path / "migrations" / "0001_x.sql").write_text(later)
    assert len(rehearse(database, copy).lines) == 1


def test_untrusted(store: Store, tmp_path: Path):
    """A function in a language that nothing holds back is not made in a rehearsal, whatever it is called."""
    text = "create function f(text, text) returns text language c as '$libdir/dblink', 'dblink_exec';"
    database, copy = given(store, tmp_path, {"0001_f.sql": text})
    with pytest.raises(MigrationFailed, match=r"function .*f\(text,text\) is in a language that nothing holds back"):
        rehearse(database, copy)


def test_settings(store: Store, tmp_path: Path):
    """The trial has the settings that the live database has: a name is found there as it is here."""
    with connect(store) as connection:
        connection.execute(f'create schema "Far off"; alter database {store.dbname} set search_path to "Far off", public')
        connection.execute(f"alter database {store.dbname} set app.word to 'it''s, so'")
    text = """
-- precheck: path: select where current_setting('search_path') <> '"Far off", public' or current_setting('app.word') <> 'it''s, so'
-- verify: there: select where to_regclass('"Far off".a') is null
create table a (id int);"""
    database, copy = given(store, tmp_path, {"0001_a.sql": text.strip()})
    assert len(rehearse(database, copy).lines) == 1


def test_a_visitor(store: Store, tmp_path: Path):
    """Who is connected to the copy does not stop a rehearsal: the session is ended."""
    database, copy = given(store, tmp_path, WELL)
    with connect(store.at(copy)) as visitor:
        assert len(rehearse(database, copy).lines) == 1
        with pytest.raises(psycopg.OperationalError):
            visitor.execute("select 1")


def test_no_superuser(plain: Store, tmp_path: Path):
    """A role that is no superuser rehearses too: it can make nothing that reaches out."""
    database, copy = given(plain, tmp_path, WELL)
    (line,) = rehearse(database, copy).lines
    assert line.startswith("0001_total: rehearsed up in ")


@pytest.mark.parametrize("name", ["Shop A", "größe-x.y", "a" * 63])
def test_names(bare: Store, tmp_path: Path, name: str):
    """Capitals, blanks, other letters and long names work all the way."""
    store = bare.at(name)
    with connect(bare) as connection:
        connection.execute(f'create database "{name}" template {bare.dbname}')
    try:
        with connect(store) as connection:
            connection.execute(FILLED)
        database, copy = given(store, tmp_path, WELL)
        assert len(rehearse(database, copy).lines) == 1
    finally:
        with connect(bare) as connection:
            for one in (name, *(one for one in databases(store) if "_drill_" in one and one.startswith(name[:20]))):
                connection.execute(f'drop database "{one}" with (force)')


def test_half_done(store: Store, tmp_path: Path):
    """What an earlier attempt has left half done is rehearsed from there on; its way back would lead to before that attempt."""
    files = {
        "0001_a.sql": "-- transaction: none\ncreate table a (id int);\ncreate unique index one on orders ((length(note)));",
        "0001_a.down.sql": "drop index one;\ndrop table a;",
    }
    (tmp_path / "first").mkdir()
    database, _ = given(store, tmp_path / "first", files)
    with pytest.raises(MigrationFailed):
        migrations.run(store, schema.way(database, "expand"), check=lambda: None, log=lambda line: None)
    with connect(store) as connection:
        connection.execute("delete from orders where id > 1")
    database, copy = given(store, tmp_path, files)
    (line,) = rehearse(database, copy).lines
    assert re.fullmatch(r"0001_a: rehearsed up in \d\.\d s, down in \d\.\d s, and up again in \d\.\d s", line)


def test_one_at_a_time(store: Store, tmp_path: Path):
    """A rehearsal has the database's lock."""
    database, copy = given(store, tmp_path, WELL)
    with held(store, "other"), pytest.raises(Refused, match=r"^rehearsal of .* waited 0.1 s for its lock, held by 'sluice other'"):
        rehearse(database, copy, wait=0.1)
