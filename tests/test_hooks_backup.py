"""What a release is about to change is saved and proved first."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from typing import Any

import pytest

from sluice.core.backup.manifest import scratch
from sluice.core.database import Database
from sluice.core.errors import BackupFailed, MigrationFailed, Refused
from sluice.core.store import Store
from sluice.hooks.backup import BackupProvider
from sluice.hooks.preflight import PreflightProvider
from sluice.systems import leftover, migrations, save, shelf
from sluice.systems.lock import held
from tests.fixtures.postgres import Postgres
from tests.fixtures.store import connect, databases, named

pytestmark = pytest.mark.embedded
GOOD = {"0001_total.sql": "alter table orders add column total int;", "0001_total.down.sql": "alter table orders drop column total;"}


def props(store: Store, place: Path, files: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """Return the inputs of a release that wants revision 0001 of a database with rows."""
    folder = place / "migrations"
    folder.mkdir(exist_ok=True)
    for name, text in (files or GOOD).items():
        (folder / name).write_text(text)
    wanted = Database(store=store, folder=str(folder), target="0001", known=True).wire()
    rules = {"when": "pending", "format": "custom", "keep": 2, "needed": []}
    return {"release": "r1", "settled": False, "databases": [wanted], "folder": str(place / "backups"), **rules, **more}


def run(given: dict[str, Any]) -> dict[str, Any]:
    return dict(BackupProvider().create(given).outs or {})


def test_saved(store: Store, tmp_path: Path):
    """A database with statements to run is saved, restored and compared, and rehearsed; the outputs say so."""
    outs = run(props(store, tmp_path))
    (made,) = shelf.load(tmp_path / "backups")
    assert outs["backups"] == {store.dbname: made.id}
    assert made.verified
    first, second = outs["lines"]
    assert first.startswith(f"{store.dbname}: {made.id}, ")
    assert ": 5002 rows in 2 tables, 1 sequences, the schema, pg_amcheck" in first
    assert second.startswith("0001_total: rehearsed up in ")
    assert made.manifest.for_release == "r1"
    assert list(shelf.estimates(tmp_path / "backups", database=store.dbname)) == [migrations.read(tmp_path / "migrations")[0].key]


@pytest.mark.parametrize(("when", "target", "count"), [("pending", "", 0), ("always", "", 1)])
def test_when(store: Store, tmp_path: Path, when: str, target: str, count: int):
    """Nothing to run, nothing saved, unless config says always."""
    given = props(store, tmp_path, when=when)
    given["databases"][0] |= {"target": target}
    assert len(run(given)["backups"]) == count


def test_skipped(store: Store, tmp_path: Path):
    """A release that somebody lets go without a backup saves nothing, and says whose word that is; with statements to run it is refused,
    by preflight already."""
    given = props(store, tmp_path, when="always", skip="Ada")
    said = f"{store.dbname}: has statements to run, and 'Ada' lets this release go without a backup, which only one without them can do"
    wanted = [f"{said}: take skip out of sluice:rollout.permissions"]
    for look in (run, lambda props: PreflightProvider().create(props)):
        with pytest.raises(Refused) as caught:
            look(given)
        assert caught.value.reasons == wanted
    given["databases"][0] |= {"target": ""}
    assert run(given) == {"release": "r1", "backups": {}, "lines": ["nothing was saved: 'Ada' lets r1 go without a backup"]}
    PreflightProvider().create(given)
    assert not (tmp_path / "backups").exists()


def test_settled(store: Store, tmp_path: Path):
    """A settled release saves nothing, even when somebody forces it to run."""
    assert run(props(store, tmp_path, settled=True)) == {"release": "r1", "backups": {}, "lines": []}


def test_nothing_to_lose(bare: Store, tmp_path: Path):
    """An empty database that no proven release has used has nothing to save, and its line says so; one that has been used is refused."""
    given = props(bare, tmp_path, {"0001_a.sql": "create table a (id int);"})
    with pytest.raises(Refused, match="holds no row"):
        run(given)
    given["databases"][0] |= {"known": False}
    outs = run(given)
    why = "nothing to save: no table has a row, and no proven release names its revision; not rehearsed"
    assert (outs["backups"], outs["lines"]) == ({}, [f"{bare.dbname}: {why}"])


def test_refused_first(store: Store, tmp_path: Path):
    """What could not go through is refused before anything is saved: a rule that is always broken, and a changed file."""
    with pytest.raises(Refused) as error:
        run(props(store, tmp_path, {"0001_drop.sql": "drop table orders cascade;"}))
    assert str(error.value).startswith(f"r1 does not begin, no database was touched:\n  - {store.dbname}: 0001, line 1: 'orders'")
    assert shelf.load(tmp_path / "backups") == []


def test_fails_in_rehearsal(store: Store, tmp_path: Path):
    """A migration that fails on the data fails the step; the backup is proved and stays, and no trial is left."""
    with pytest.raises(MigrationFailed, match="rehearsal of"):
        run(props(store, tmp_path, {"0001_one.sql": "create table b (n int); insert into b select 1 / 0;"}))
    (made,) = shelf.load(tmp_path / "backups")
    assert made.verified
    assert not any("_trial" in name for name in databases(store))


def test_not_compared(store: Store, tmp_path: Path):
    """A backup that cannot be restored fails the step: here rows that a copy's own rules refuse."""
    with connect(store) as connection:
        connection.execute("create function here() returns bool language sql as $$select current_database() not like '%drill%'$$")
        connection.execute("create table c (n int check (here()))")
        connection.execute("insert into c values (1)")
    with pytest.raises(BackupFailed, match=r"^pg_restore failed with exit code 1"):
        run(props(store, tmp_path))
    assert not any(one.verified for one in shelf.load(tmp_path / "backups"))
    assert not any("_drill_" in name for name in databases(store) if name.startswith(store.dbname))


def test_pruned(store: Store, tmp_path: Path):
    """As many verified backups stay as config says, and those that are needed; of the copies only the newest."""
    first = run(props(store, tmp_path))["backups"][store.dbname]
    for _ in range(3):
        last = run(props(store, tmp_path, needed=[first]))["backups"][store.dbname]
    kept = [one.id for one in shelf.load(tmp_path / "backups")]
    assert (len(kept), kept[0], kept[-1]) == (3, last, first)
    copies = [name for name in databases(store) if name.startswith(f"{store.dbname}_drill_")]
    assert copies == [f"{store.dbname}_drill_{last.replace('-', '').lower()}"]


def test_as_config_says(store: Store, tmp_path: Path):
    """A plain dump with gzip that drops what it makes, each of its files encrypted by a command, with jobs as Pulumi sends numbers."""
    rot = [sys.executable, "-c", "import sys; sys.stdout.buffer.write(bytes(one ^ 85 for one in sys.stdin.buffer.read()))"]
    run(props(store, tmp_path, format="plain", compression="gzip", clean=True, encrypt=rot, jobs=2.0))
    (made,) = shelf.load(tmp_path / "backups")
    assert made.verified
    assert made.manifest.dump == "dump.sql.gz"
    assert "DROP TABLE IF EXISTS public.orders;" in gzip.decompress((Path(made.folder) / "dump.sql.gz").read_bytes()).decode()
    assert all((Path(made.folder) / f"{part.name}.enc").stat().st_size == part.sealed_size for part in made.manifest.parts)


def test_own_proofs(store: Store, tmp_path: Path):
    """What a team wants of a restored copy is asked there; another answer fails the step, and the backup does not count."""
    given = props(store, tmp_path)
    given["databases"][0]["checks"] = {"notes": "select id from orders where note = ''", "count": "select count(*) = 5000 from orders"}
    assert ", own checks: notes, count, pg_amcheck" in run(given)["lines"][0]
    given["databases"][0]["checks"] = {"few orders": "select count(*) from orders"}
    with pytest.raises(BackupFailed, match="check 'few orders': found 5000"):
        run(given)
    assert [one.verified for one in shelf.load(tmp_path / "backups")] == [False, True]


@pytest.mark.parametrize(("pause", "how"), [(0, "at which nobody was writing"), (5.0, "for which writers were held up")])
def test_two_databases(store: Store, postgres: Postgres, tmp_path: Path, pause: float, how: str):
    """Two databases of a server are saved as of one moment, and the outputs say how."""
    other = named(postgres, f"{store.dbname}_other")
    with connect(store.at("postgres")) as connection:
        connection.execute(f'create database "{other.dbname}" template "{store.dbname}"'.encode())
    given = props(store, tmp_path, when="always", pause=pause)
    given["databases"].append(Database(store=other, known=True).wire())
    outs = run(given)
    assert sorted(outs["backups"]) == sorted([store.dbname, other.dbname])
    assert outs["lines"][2] == f"'{store.dbname}', '{other.dbname}': consistent with each other, of one moment {how}"
    assert {one.manifest.paused for one in shelf.load(tmp_path / "backups")} == {pause > 0}


def test_agreed(store: Store, postgres: Postgres, tmp_path: Path):
    """What must be the same in two databases is asked of both restored copies, together; where they differ nothing goes on. Where
    somebody wrote between the snapshots another figure proves nothing, and that is said."""
    other = named(postgres, f"{store.dbname}_other")
    with connect(store.at("postgres")) as connection:
        connection.execute(f'create database "{other.dbname}" template "{store.dbname}"'.encode())
    given = props(store, tmp_path, when="always", pause=5.0)
    given["databases"].append(Database(store=other, known=True).wire())
    for one in given["databases"]:
        one |= {"agreed": {"orders": "select count(*) from orders"}}
    assert run(given)["lines"][3] == "their restored copies agree in 'orders'"
    with connect(other) as connection:
        connection.execute("delete from orders where id = 1")
    with pytest.raises(BackupFailed) as caught:
        run(given)
    assert str(caught.value) == (
        f"'{store.dbname}', '{other.dbname}' were saved as of one moment, and do not agree\n"
        f"  - 'orders' is 5000 in '{store.dbname}', 4999 in '{other.dbname}'"
    )
    made = {one.manifest.database: one for one in reversed(shelf.load(tmp_path / "backups"))}
    apart = [one.model_copy(update={"manifest": one.manifest.model_copy(update={"joint": name})}) for name, one in made.items()]
    assert save.lines(apart)[3].endswith(": that proves nothing, as they are not of one moment")
    given["databases"][1]["agreed"] = {"orders": "select count(*) from ordrs"}
    with pytest.raises(BackupFailed, match=r"'orders', which other databases should agree with: relation \"ordrs\" does not exist"):
        run(given)


def test_again(store: Store, tmp_path: Path):
    """A second attempt at a release finds nothing pending and still names what the first one saved; another release does not."""
    given = props(store, tmp_path)
    first = run(given)
    given["databases"][0] |= {"target": ""}
    again = BackupProvider().update("r1", first, given).outs or {}
    assert again["backups"] == first["backups"]
    other = BackupProvider().update("r1", first, {**given, "release": "r2"}).outs or {}
    assert other["backups"] == {}


def test_a_record_that_was_edited(store: Store, tmp_path: Path):
    """What a record names as its copy is not believed: only what that backup's own drill has made is dropped."""
    run(props(store, tmp_path))
    (made,) = shelf.load(tmp_path / "backups")
    assert made.drilled
    shelf.record(made, made.drilled.model_copy(update={"scratch": store.dbname}))
    run(props(store, tmp_path))
    assert store.dbname in databases(store)


def test_shared(store: Store, tmp_path: Path):
    """Two stacks with one folder and a database of one name remove neither each other's backups nor each other's copies."""
    other = run(props(store, tmp_path, owner="shop/staging"))["backups"][store.dbname]
    for _ in range(3):
        run(props(store, tmp_path, owner="shop/production"))
    made = shelf.load(tmp_path / "backups")
    assert [one.manifest.owner for one in made] == ["shop/production", "shop/production", "shop/staging"]
    copies = {name for name in databases(store) if name.startswith(f"{store.dbname}_drill_")}
    assert copies == {scratch(store.dbname, made[0].id), scratch(store.dbname, other)}
    # Another server's backups in the same folder count for nothing here.
    with held(store, "test") as lock:
        assert len(shelf.load(tmp_path / "backups", owner="shop/production", system=leftover.system(lock))) == 2
        assert shelf.load(tmp_path / "backups", owner="shop/production", system="7") == []


def test_disk(store: Store, tmp_path: Path):
    """What a disk refuses where nobody expected it is one clear line, and no bug."""
    first = run(props(store, tmp_path, keep=1))["backups"][store.dbname]
    (tmp_path / "backups" / store.dbname / f".{first}{shelf.GONE}").write_text("in the way")
    with pytest.raises(
        BackupFailed, match=rf"^'.*{first}' cannot be read or written \(Not a directory\): backups are kept in '.*'; mend that"
    ):
        run(props(store, tmp_path, keep=1))


def test_link(store: Store, tmp_path: Path):
    """A folder that leads nowhere is told as such."""
    (tmp_path / "backups").symlink_to(tmp_path / "nowhere")
    with pytest.raises(Refused, match=r"is a link to '.*nowhere', which is not there: make that folder"):
        run(props(store, tmp_path))


def test_relative(store: Store, tmp_path: Path):
    """A folder that is not the same one for each program is refused."""
    with pytest.raises(Refused, match=r"^'backups' is no absolute path"):
        run({**props(store, tmp_path), "folder": "backups"})
