"""Restore drills beside a real database."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from sluice.core.backup.format import Compression, Format
from sluice.core.backup.manifest import Backup, scratch
from sluice.core.errors import BackupFailed, Refused
from sluice.core.store import Store
from sluice.systems.aside import open_copy
from sluice.systems.backup import make
from sluice.systems.drill import drill
from sluice.systems.lock import held
from sluice.systems.shelf import load
from tests.fixtures.postgres import Postgres
from tests.fixtures.store import FILLED, connect, databases, fresh, orphaned
from tests.test_systems_shelf import forge

pytestmark = pytest.mark.embedded


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def backed(store: Store, folder: Path, **more: object) -> Backup:
    """Make a backup and find it."""
    made = make(store, folder, **more)  # type: ignore[arg-type]
    return next(one for one in load(folder) if one.id == made.id)


def failed(one: Backup, *problems: str) -> str:
    return "^" + re.escape("\n  - ".join([f"backup {one.id} of '{one.manifest.database}' did not hold", *problems])) + "$"


@pytest.mark.parametrize("form", list(Format))
def test_drill(store: Store, folder: Path, form: Format):
    """A good backup of each format is restored beside the live database, compared, timed, written down, and its copy kept."""
    one = backed(store, folder, format=form, jobs=2, clean=True)
    done = drill(
        store, one, jobs=2, checks={"no lost note": "select * from orders where note = ''", "full": "select count(*) > 10 from orders"}
    )
    assert done.scratch == scratch(store.dbname, one.id)
    assert done.compared == (
        "5002 rows in 2 tables",
        "1 sequences",
        "the schema",
        "own checks: no lost note, full",
        "pg_amcheck",
    )
    assert list(done.seconds) == ["check", "restore", "compare", "checks", "amcheck"]
    assert done.rto == pytest.approx(sum(done.seconds.values()), abs=0.01)
    assert done.notes == ()
    (found,) = load(folder)
    assert (found.drilled, found.verified) == (done, True)
    with connect(store.at(done.scratch)) as connection:
        assert connection.execute("select count(*) from recent").fetchone() == (10,)
        assert connection.execute("select nextval('orders_id_seq')").fetchone() == (5001,)
        assert connection.execute("select extname from pg_extension").fetchall() == [("plpgsql",)]


def test_dropped(store: Store, folder: Path):
    """A copy that nobody wants to keep is gone, and the drill has held all the same."""
    before = databases(store) | {"sluice_maintenance"}
    done = drill(store, backed(store, folder), keep=False)
    assert not done.kept
    assert databases(store) == before


def test_never_over(store: Store, folder: Path):
    """A database that has the copy's name is neither restored over nor dropped."""
    one = backed(store, folder)
    name = drill(store, one).scratch
    wanted = f"database '{name}' exists already, and nothing is restored over it: drop it when nobody needs it"
    with pytest.raises(BackupFailed, match=f"^{re.escape(wanted)}$"):
        drill(store, one)
    with connect(store.at(name)) as connection:
        assert connection.execute("select count(*) from orders").fetchone() == (5000,)


def test_after_a_killed_one(store: Store, folder: Path):
    """What a killed drill has left making the copy is ended by the next one, which makes its own and says so."""
    one = backed(store, folder)
    copy = scratch(store.dbname, one.id)
    with orphaned(store, "drill", copy) as pid:
        done = drill(store, one)
    assert done.notes == (f"ended sluice drill (pid {pid}) at '{copy}', which a dead deployer had left",)
    with connect(store.at(copy)) as connection:
        assert connection.execute("select count(*) from orders").fetchone() == (5000,)


def test_wrong_database(store: Store, folder: Path, postgres: Postgres):
    """An archive of another database under this one's manifest is told by every difference, and its copy dropped."""
    one = backed(store, folder)
    for other in fresh(postgres):
        with connect(other) as connection:
            connection.execute(FILLED)
            connection.execute(
                'delete from orders where id > 4000; drop table "Odd Name"; create table more (id int); insert into more values (1)'
            )
        foreign = backed(other, folder)
        shutil.copy(Path(foreign.folder) / "dump.pgc", Path(one.folder) / "dump.pgc")
    with pytest.raises(BackupFailed) as caught:
        drill(store, forge(one))
    first, *rest = caught.value.reasons
    assert [first, *rest[:2]] == [
        "table public.Odd Name: not in the copy, 2 rows in the manifest",
        "table public.more: 1 rows in the copy, not in the manifest",
        "table public.orders: 4000 rows in the copy, 5000 in the manifest",
    ]
    schema, *change = rest[2].splitlines()
    assert re.match(r"schema: SHA-256 \w{12} in the copy, \w{12} in the manifest$", schema)
    assert change == [
        "    constraint public.Odd Name Odd Name_pkey: not in the copy",
        "    table public.Odd Name: not in the copy",
        "    table public.more: not in the backup",
    ]
    assert scratch(store.dbname, one.id) not in databases(store)
    assert not load(folder, database=store.dbname)[0].verified


def test_empty_dump(store: Store, folder: Path, postgres: Postgres):
    """An archive of an empty database under a full one's manifest does not hold."""
    one = backed(store, folder)
    for other in fresh(postgres):
        shutil.copy(Path(backed(other, folder, first=True).folder) / "dump.pgc", Path(one.folder) / "dump.pgc")
    with pytest.raises(BackupFailed) as caught:
        drill(store, forge(one))
    assert caught.value.reasons[:3] == [
        "table public.Odd Name: not in the copy, 2 rows in the manifest",
        "table public.orders: not in the copy, 5000 rows in the manifest",
        "sequence public.orders_id_seq: not in the copy",
    ]


def test_first(bare: Store, folder: Path):
    """On a first deployment the backup of an empty database holds."""
    assert drill(bare, backed(bare, folder, first=True), keep=False).compared[0] == "0 rows in 0 tables"


def test_other_store(store: Store, folder: Path):
    """A backup of another database, or from another system, proves nothing here."""
    one = backed(store, folder)
    foreign = one.model_copy(update={"manifest": one.manifest.model_copy(update={"system": "42"})})
    own = one.manifest.system
    with pytest.raises(BackupFailed, match=failed(one, f"it is from system 42, and 127.0.0.1:{store.port} is system {own}")):
        drill(store, foreign)
    with pytest.raises(BackupFailed, match=rf"of 'other' did not hold\n  - it is of database '{store.dbname}'$"):
        drill(store.at("other"), one)


def test_newer_dump(store: Store, folder: Path):
    """A dump by a newer client than this one is not tried."""
    one = backed(store, folder)
    newer = one.model_copy(update={"manifest": one.manifest.model_copy(update={"client": "pg_dump (PostgreSQL) 19.1"})})
    why = "it was dumped by pg_dump 19, which pg_restore 18 may not read: point `tools` to 19 or newer"
    with pytest.raises(BackupFailed, match=failed(one, why)):
        drill(store, newer)


def test_checks(store: Store, folder: Path):
    """A team's checks fail by what they find, each by its name, and cannot write even in the copy."""
    one = backed(store, folder)
    checks = {
        "fine": "select true",
        "found": "select id, note from \"Odd Name\" cross join (values ('a b')) n (note)",
        "false": "select count(*) > 9999 from orders",
        "null": "select null::bool",
        "wrong": "select nothing",
        "writes": "delete from orders returning 1",
        "two": "select true; commit",
    }
    wanted = [
        "check 'found': found 1, a b",
        "check 'false': found False",
        "check 'null': found None",
        "check 'wrong': column \"nothing\" does not exist",
        "check 'writes': cannot execute DELETE in a read-only transaction",
        "check 'two': cannot insert multiple commands into a prepared statement",
    ]
    with pytest.raises(BackupFailed, match=failed(one, *wanted)):
        drill(store, one, checks=checks)
    assert scratch(store.dbname, one.id) not in databases(store)


def test_corrupt_index(store: Store, folder: Path):
    """What restores but breaks a constraint stops the restore in the server's words."""
    one = backed(store, folder, format=Format.PLAIN, compression=Compression.NONE)
    dump = Path(one.folder) / "dump.sql"
    text = dump.read_text()
    dump.write_text(text.replace("\n2\t", "\n1\t", 1))
    with pytest.raises(BackupFailed, match=r"^psql failed with exit code 3\n(.|\n)*could not create unique index \"orders_pkey\""):
        drill(store, forge(one))
    assert scratch(store.dbname, one.id) not in databases(store)


@pytest.mark.parametrize("form", [Format.CUSTOM, Format.PLAIN])
def test_foreign_key(store: Store, folder: Path, form: Format):
    """Rows that break a foreign key are found, although the copy's triggers, which enforce one later, are off."""
    with connect(store) as connection:
        connection.execute('create table line (id int primary key, "order" int references orders); insert into line values (1, 1)')
        connection.execute("set session_replication_role = replica; insert into line values (2, 9999)")
    one = backed(store, folder, format=form)
    with pytest.raises(BackupFailed, match=r"violates foreign key constraint \"line_order_fkey\""):
        drill(store, one)


def test_like(postgres: Postgres, store: Store, folder: Path):
    """The copy has the live database's encoding, locale and owner."""
    with connect(store.at("postgres")) as connection:
        connection.execute(f"alter database {store.dbname} owner to guest")
        name = drill(store, backed(store, folder)).scratch
        kind = "select datdba, encoding, datcollate, datctype, datlocprovider, datlocale from pg_database where datname = %s"
        assert connection.execute(kind, [name]).fetchone() == connection.execute(kind, [store.dbname]).fetchone()


def test_no_superuser(plain: Store, folder: Path):
    """Without a superuser a drill holds too, and says what it could not do; its copy can be opened."""
    done = drill(plain, backed(plain, folder))
    assert done.notes == (
        "triggers stay on: this role may not set session_replication_role; nothing in the copy can reach another server",
        "triggers stay on: this role may not set event_triggers; nothing in the copy can reach another server",
        'pg_amcheck skipped: permission denied to create extension "amcheck"',
    )
    assert "pg_amcheck" not in done.compared
    assert open_copy(plain.at(done.scratch)) == []


def test_no_superuser_wired(plain: Store, store: Store, folder: Path):
    """A copy with foreign servers is not made by who cannot block them."""
    with connect(store) as connection:
        connection.execute("create foreign data wrapper odd; grant usage on foreign data wrapper odd to guest")
        connection.execute("set role guest; create server far foreign data wrapper odd")
    one = backed(plain, folder)
    with pytest.raises(BackupFailed, match=r"(foreign servers, which only a superuser can block: drill as one|permission denied)"):
        drill(plain, one)
    assert scratch(plain.dbname, one.id) not in databases(store)


def test_sealed(store: Store, folder: Path):
    """A backup that is there encrypted only is not drilled, and the next step is said."""
    one = backed(store, folder, encrypt=["cat"])
    for part in one.manifest.parts:
        (Path(one.folder) / part.name).unlink()
    with pytest.raises(BackupFailed, match=failed(one, f"dump.pgc is there encrypted only: decrypt it into '{one.folder}' first")):
        drill(store, one)


def test_lock(store: Store, folder: Path):
    """A drill waits for the database's lock like every other step."""
    one = backed(store, folder)
    with held(store, "expand"), pytest.raises(Refused, match=r"^drill of \S+ waited 0 s for its lock, held by 'sluice expand' "):
        drill(store, one, wait=0)


@pytest.mark.parametrize("form", list(Format))
def test_large_objects(bare: Store, folder: Path, form: Format):
    """A database with nothing but large objects is not empty; they are compared by number and contents, holes and zeros alike."""
    with connect(bare) as connection:
        connection.execute("select lo_from_bytea(4711, convert_to(repeat('large ', 9999), 'utf8')), lo_from_bytea(4712, '\\x0000')")
        connection.execute("select lo_put(4711, 900000, 'after a hole')")
    one = backed(bare, folder, format=form)
    assert one.manifest.rows == {}
    assert one.manifest.large
    assert one.manifest.large[0] == 2
    assert "2 large objects" in drill(bare, one).compared


def test_other_large_objects(store: Store, folder: Path):
    """A large object that is lost, or that came back with other contents, makes a drill refuse."""
    with connect(store) as connection:
        connection.execute("select lo_from_bytea(4711, 'one')")
    one = backed(store, folder)
    assert one.manifest.large
    for large, why in (
        ((2, one.manifest.large[1]), "large objects: 1 in the copy, 2 in the manifest"),
        (
            (1, "1 pages, 5"),
            "large objects: other contents in the copy than in the manifest",
        ),
    ):
        changed = one.model_copy(update={"manifest": one.manifest.model_copy(update={"large": large})})
        with pytest.raises(BackupFailed, match=failed(one, why)):
            drill(store, changed)


def test_smallest_sequence(store: Store, folder: Path):
    """A sequence that starts at the smallest number there is stands before it until it is drawn from."""
    with connect(store) as connection:
        connection.execute("create sequence low minvalue -9223372036854775808 start -9223372036854775808")
    one = backed(store, folder)
    assert one.manifest.sequences["public.low"] == (-(2**63) - 1, -(2**63) - 1)
    drill(store, one)


def test_nameless(store: Store, folder: Path):
    """A check whose function needs a search path cannot be restored: the refusal says what to write."""
    with connect(store) as connection:
        connection.execute("create function few() returns bool language plpgsql as 'begin return (select count(*) < 9 from few); end'")
        connection.execute("create table few (n text check (few())); insert into few values ('visible row')")
    one = backed(store, folder)
    with pytest.raises(BackupFailed) as error:
        drill(store, one)
    assert "COPY few, line 1" in error.value.reasons[-2]
    assert "visible row" not in str(error.value)
    assert error.value.reasons[-1].startswith("in a restore only names with their schema are found: write it in the check or function")
