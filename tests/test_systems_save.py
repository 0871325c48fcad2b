"""Databases saved on a real server: what is told meanwhile, what stays, what goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sluice.core.backup.manifest import scratch
from sluice.core.database import Database
from sluice.core.errors import BackupFailed
from sluice.core.settings.rollout import Backup as Rules
from sluice.core.store import Store
from sluice.systems import save, shelf
from tests.fixtures.store import databases

pytestmark = pytest.mark.embedded


def how(place: Path, **more: Any) -> save.How:
    return save.How(folder=place / "backups", owner="p/s", rules=Rules(keep=1), **more)


def ids(place: Path) -> list[str]:
    return [one.id for one in shelf.load(place / "backups")]


def test_told(store: Store, tmp_path: Path):
    """Each stage is told when it begins, and the end is a sentence with what was proved."""
    said: list[str] = []
    made = save.save([Database(store=store)], how(tmp_path, log=said.append))
    (one,) = made.values()
    assert said == [f"{store.dbname}: saving {said[0].split()[2]} MiB", f"{store.dbname}: restoring {one.id} beside it, to compare"]
    (line,) = save.lines([one])
    assert ": 5002 rows in 2 tables, 1 sequences, the schema, pg_amcheck" in line
    assert (one.manifest.owner, one.manifest.for_release, one.verified) == ("p/s", "", True)


def test_restore_point(store: Store, tmp_path: Path):
    """Without a copy of its own a backup leaves the restore point and its backup alone, whatever retention says; with one it takes over."""
    database, said = Database(store=store), list[str]()
    (point,) = save.save([database], how(tmp_path)).values()
    later = [next(iter(save.save([database], how(tmp_path, copy=False, log=said.append)).values())).id for _ in range(2)]
    assert ids(tmp_path) == [later[1], point.id]
    assert said[-1] == f"{store.dbname}: {later[0]} is no longer needed, and removed"
    copies = {name for name in databases(store) if name.startswith(f"{store.dbname}_")}
    assert copies == {scratch(store.dbname, point.id)}
    (new,) = save.save([database], how(tmp_path)).values()
    assert ids(tmp_path) == [new.id]
    assert {name for name in databases(store) if name.startswith(f"{store.dbname}_")} == {scratch(store.dbname, new.id)}


def test_needed(store: Store, tmp_path: Path):
    """What a proven release names stays."""
    database = Database(store=store)
    (first,) = save.save([database], how(tmp_path, copy=False)).values()
    (second,) = save.save([database], how(tmp_path, copy=False, needed=[first.id])).values()
    assert ids(tmp_path) == [second.id, first.id]


def test_nothing(tmp_path: Path):
    """No database, nothing saved."""
    assert save.save([], how(tmp_path)) == {}


def test_written(tmp_path: Path):
    """What a disk refuses is told with the folder, and the command that tries again."""
    said = f"'{tmp_path}/x' cannot be read or written (No such file or directory)"
    text = f"{said}: backups are kept in '{tmp_path}'; mend that, then run `b` again"
    with pytest.raises(BackupFailed) as error, save.written(tmp_path, "b"):
        (tmp_path / "x").read_text()
    assert str(error.value) == text
