"""Whatever is wrong with a backup, its step fails, and the migration after it does not start, even if somebody asks for it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sluice.core.backup import room
from sluice.core.backup.format import Compression, Format
from sluice.core.backup.manifest import Backup, Manifest
from sluice.core.errors import BackupFailed, Refused, SluiceError
from sluice.core.store import Store
from sluice.hooks.backup import BackupProvider
from sluice.hooks.migration import MigrationProvider
from sluice.systems import backup, shelf
from sluice.systems.lock import held
from tests.fixtures.postgres import Postgres
from tests.fixtures.store import FILLED, connect, databases, fresh, named
from tests.test_hooks_backup import props
from tests.test_systems_backup import Slow, small
from tests.test_systems_shelf import CASES, DEEP, forge

pytestmark = pytest.mark.embedded


def stopped(given: dict[str, Any], store: Store, folder: Path) -> SluiceError:
    """See that the backup fails, that no migration starts after it, whichever backup it is given, and that the database is as before."""
    before, names = columns(store), databases(store)
    with pytest.raises(SluiceError) as found:
        BackupProvider().create(given)
    made = [one.id for one in shelf.load(folder)]
    for id in (*made, "none", None):
        with pytest.raises(Refused, match="nothing was migrated"):
            MigrationProvider().create({**given, "phase": "expand", "backups": {store.dbname: id} if id else {}})
    assert columns(store) == before
    assert databases(store) - names <= {"sluice_maintenance"}
    assert not any(one.verified for one in shelf.load(folder))
    return found.value


def columns(store: Store) -> list[Any]:
    """Return every column there is, the history's own too."""
    with connect(store) as connection:
        query = """select attrelid::regclass::text, attname from pg_attribute join pg_class c on c.oid = attrelid
            where attnum > 0 and relkind = 'r' and relnamespace::regnamespace::text in ('public', 'sluice_history') order by 1, 2"""
        return connection.execute(query).fetchall()


@pytest.fixture
def harmed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return how to have each backup damaged once it is made, between its end and its drill."""

    def arm(harm: Callable[[Backup], object], **more: Any) -> None:
        plain = backup.make

        def make(store: Store, folder: Path, **given: Any) -> Manifest:
            made = plain(store, folder, **{**given, **more})
            harm(next(one for one in shelf.load(folder) if one.id == made.id))
            return made

        monkeypatch.setattr(backup, "make", make)

    return arm


@pytest.mark.parametrize("name", CASES)
def test_damaged_after(store: Store, tmp_path: Path, harmed: Any, name: str):
    """Files that were damaged after the manifest: cut, flipped, a member gone."""
    form, compression, damage = CASES[name]
    harmed(lambda one: damage(Path(one.folder) / one.manifest.dump), format=form, compression=compression)
    found = stopped(props(store, tmp_path), store, tmp_path / "backups")
    assert isinstance(found, BackupFailed)
    assert "did not hold" in str(found)


@pytest.mark.parametrize("name", DEEP)
def test_damaged_before(store: Store, tmp_path: Path, harmed: Any, name: str):
    """Files that were damaged before they were hashed, so that the manifest says they are well."""
    form, compression, damage = CASES[name]

    def harm(one: Backup) -> None:
        damage(Path(one.folder) / one.manifest.dump)
        forge(one)

    harmed(harm, format=form, compression=compression)
    assert isinstance(stopped(props(store, tmp_path), store, tmp_path / "backups"), BackupFailed)


def test_well(store: Store, tmp_path: Path, harmed: Any):
    """The same way without damage goes through: what stops the others is the damage."""
    harmed(lambda one: None, format=Format.CUSTOM, compression=Compression.NONE)
    given = props(store, tmp_path)
    outs = BackupProvider().create(given).outs or {}
    MigrationProvider().create({**given, "phase": "expand", "backups": outs["backups"]})
    assert ("orders", "total") in columns(store)


@pytest.fixture
def other(postgres: Postgres) -> Iterator[Store]:
    yield from fresh(postgres)


@pytest.mark.parametrize("filled", ["", FILLED + "delete from orders where id > 4000"])
def test_another_database(store: Store, other: Store, tmp_path: Path, harmed: Any, filled: str):
    """The dump of an empty database, or of another one, under this one's manifest."""
    if filled:
        with connect(other) as connection:
            connection.execute(filled)
    strange = backup.make(other, tmp_path / "strange", first=True)

    def harm(one: Backup) -> None:
        shutil.copy(tmp_path / "strange" / other.dbname / strange.id / "dump.pgc", Path(one.folder) / "dump.pgc")
        forge(one)

    harmed(harm)
    found = stopped(props(store, tmp_path), store, tmp_path / "backups")
    assert f"table public.orders: {'4000 rows' if filled else 'not'} in the copy, 5000" in str(found)


def test_an_empty_database(bare: Store, tmp_path: Path):
    """An empty database that a proven release has used is the wrong one."""
    with connect(bare) as connection:
        connection.execute(FILLED + 'truncate orders, "Odd Name"')
    assert "holds no row" in str(stopped(props(bare, tmp_path), bare, tmp_path / "backups"))


def test_a_full_disk(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A disk that fills while the dump is written, though there seemed to be room."""
    monkeypatch.setattr(room, "SPACE", dict.fromkeys(Compression, 0.0))
    monkeypatch.setattr(room, "PACKED", 0.0)
    with connect(store) as connection:
        connection.execute("insert into orders (note) select md5(n::text) || md5((-n)::text) from generate_series(1, 30000) n")
    place = small(tmp_path)
    try:
        assert "No space left on device" in str(stopped(props(store, tmp_path, folder=str(place)), store, place))
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_killed_dump(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A pg_dump that is killed half-way."""
    with connect(store) as connection:
        connection.execute("insert into orders (note) select repeat(md5(n::text), 8) from generate_series(1, 200000) n")
    Slow(monkeypatch, lambda dumps: dumps[0].kill())
    assert str(stopped(props(store, tmp_path), store, tmp_path / "backups")) == "pg_dump was killed by signal 9"


def test_an_unreadable_table(store: Store, postgres: Postgres, tmp_path: Path):
    """A table that the deployer's role may not read, in a database that it may migrate."""
    guest = named(postgres, store.dbname, user="guest")
    with held(store, "test"), connect(store) as connection:
        connection.execute("grant create on database " + store.dbname + " to guest; alter table orders owner to guest")
    said = str(stopped(props(guest, tmp_path), store, tmp_path / "backups"))
    assert "table public.Odd Name cannot be read by 'guest': grant pg_read_all_data to guest" in said
