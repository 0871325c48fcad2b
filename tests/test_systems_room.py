"""Whether there is room for backups."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sluice.core.backup.format import Compression
from sluice.core.backup.room import Room
from sluice.core.clock import SystemClock
from sluice.core.database import Database
from sluice.core.questions import Preflight
from sluice.core.store import Store
from sluice.core.verdict import Outcome
from sluice.systems import able, gates
from sluice.systems.room import short, tight
from tests.fixtures.postgres import Postgres
from tests.fixtures.store import connect, named
from tests.test_hooks_backup import props


@pytest.mark.parametrize(
    ("compression", "double", "wanted"),
    [(None, False, 100), (Compression.GZIP, False, 100), (Compression.NONE, False, 200), (None, True, 200), (Compression.NONE, True, 400)],
)
def test_wanted(compression: Compression | None, double: bool, wanted: int):
    """A packed dump takes no more than the database, a plain one at most twice as much, and an encrypted copy as much again."""
    assert Room(folder="/backups", compression=compression, double=double).wanted(100) == wanted


def test_tight(tmp_path: Path):
    """The room is that of the disk, also for a folder that is still to be made; both figures are told."""
    free = shutil.disk_usage(tmp_path).free
    assert tight(tmp_path / "to" / "come", free // 2) == []
    (why,) = tight(tmp_path / "to" / "come", 2**60, " for shop")
    assert why.startswith(f"'{tmp_path}/to/come' has ")
    assert why.endswith(f" MiB free, {2**40} MiB are wanted for shop: prune backups, or name another folder")


@pytest.mark.embedded
def test_together(postgres: Postgres, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Each database has room for itself, and both have not: it is told before the first is saved."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, size(store) * 3 // 2))
    room, other = Room(folder=str(tmp_path / "backups")), named(postgres, "postgres")
    assert short([], room) == short([store], room) == short([other], room) == []
    (why,) = short([store, other], room)
    assert why.endswith(f" MiB are wanted for {store.dbname}, postgres: prune backups, or name another folder")


@pytest.mark.embedded
def test_refused(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A release that would not have the room is told with all else, and only when there is something to save."""
    given = [Database.read(one) for one in props(store, tmp_path)["databases"]]
    room = Room(folder=str(tmp_path / "backups"))
    assert able.refusals(given, "pending", place=room) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, 0))
    (why,) = able.refusals(given, "pending", place=room)
    assert why.startswith(f"'{tmp_path}/backups' has 0 MiB free, ")
    assert able.refusals(given, "pending") == []
    # As `sluice check preflight` asks it.
    asked = Preflight(databases=given, room=room)
    assert [one.text for one in gates.preflight(asked, SystemClock()) if one.outcome is Outcome.FAILED] == [why]
    settled = [one.model_copy(update={"target": ""}) for one in given]
    assert able.refusals(settled, "pending", place=room) == []
    assert able.refusals(settled, "always", place=room) == [why]


def size(store: Store) -> int:
    with connect(store) as connection:
        return int(str((connection.execute("select pg_database_size(current_database())").fetchone() or (0,))[0]))
