"""Migrations on a copy of a backup's copy, before the live database is touched."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sluice.core.database import Database
from sluice.core.errors import BackupFailed, MigrationFailed
from sluice.core.store import Store
from sluice.systems import backup, shelf
from sluice.systems.drill import drill
from sluice.systems.rehearsal import rehearse
from tests.fixtures.store import connect, databases

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


def test_there_and_back_and_there_again(store: Store, tmp_path: Path):
    """A reversible migration goes up, down and up; the line has its seconds, and only the trial was changed."""
    database, copy = given(store, tmp_path, WELL)
    (line,) = rehearse(database, copy)
    assert re.fullmatch(r"0001_total: rehearsed up in \d\.\d s, down in \d\.\d s, and up again in \d\.\d s", line)
    untouched(store, copy)


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
    assert "+    more integer" in str(error.value)
    untouched(store, copy)


@pytest.mark.parametrize(("head", "way"), [("-- way: restore-only\n", "restore-only"), ("", "restore-only")])
def test_no_way_back(store: Store, tmp_path: Path, head: str, way: str):
    """What has no way back is rehearsed up only, and says so."""
    database, copy = given(store, tmp_path, {"0001_gone.sql": f"{head}alter table orders add column total int;"})
    (line,) = rehearse(database, copy)
    assert re.fullmatch(rf"0001_gone: rehearsed up in \d\.\d s; '0001_gone' is {way}, so there is no way back to rehearse", line)
    untouched(store, copy)


def test_a_migration_that_reaches_out(store: Store, tmp_path: Path):
    """A migration that makes dblink and writes to the live database by it is blocked in the rehearsal: nothing is written there."""
    where = f"host={store.host} port={store.port} user={store.user} dbname={store.dbname} passfile={store.passfile}"
    write = f"select dblink_exec('{where}', 'insert into orders (note) values (''from the rehearsal'')');"
    database, copy = given(store, tmp_path, {"0001_out.sql": f"create extension if not exists dblink;\n{write}"})
    with pytest.raises(MigrationFailed, match=r"blocked: '.*_trial' is a drill's copy"):
        rehearse(database, copy)
    with connect(store) as connection:
        assert connection.execute("select count(*) from orders where note = 'from the rehearsal'").fetchone() == (0,)


def test_a_copy_that_is_gone(store: Store, tmp_path: Path):
    """Without its copy nothing can be rehearsed."""
    database, _ = given(store, tmp_path, WELL)
    with pytest.raises(
        BackupFailed, match=f"^no trial of '{store.dbname}' could be made from 'gone' \\(template database \"gone\" does not"
    ):
        rehearse(database, "gone")
