"""What killed deployers leave, and what becomes of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sluice.core.backup.manifest import scratch, trial
from sluice.core.errors import MigrationFailed
from sluice.core.store import Store
from sluice.systems import backup, leftover, shelf
from sluice.systems.lock import held
from tests.fixtures.store import connect, databases, orphaned
from tests.test_hooks_backup import props, run

pytestmark = pytest.mark.embedded


def test_killed(store: Store, tmp_path: Path):
    """What a killed deployer has left is gone after the next run: copies, trials, half removed backups; what is not ours stays."""
    run(props(store, tmp_path))
    (first,) = shelf.load(tmp_path / "backups")
    made = backup.make(store, tmp_path / "backups")
    copy, foreign = scratch(store.dbname, made.id), f"{store.dbname}_drill_20200101t000000z0000"
    with connect(store.at("postgres")) as connection:
        for name in (copy, trial(copy), trial(scratch(store.dbname, first.id)), foreign):
            connection.execute(f"create database {name}")
    gone = Path(first.folder).with_name(f".20200101T000000Z-0000{shelf.GONE}")
    gone.mkdir()
    with pytest.raises(MigrationFailed):
        run(props(store, tmp_path, {"0001_total.sql": "select 1 / 0;"}))
    left = {name for name in databases(store) if name.startswith(f"{store.dbname}_")}
    newest = shelf.load(tmp_path / "backups")[0]
    assert left == {foreign, scratch(store.dbname, newest.id)}
    assert not gone.exists()


def test_killed_making_a_copy(store: Store, tmp_path: Path):
    """A copy that the server is still making for a killed deployer does not come after all others are removed."""
    made = backup.make(store, tmp_path / "backups")
    copy = scratch(store.dbname, made.id)
    with orphaned(store, "drill", copy), held(store, "backup") as lock:
        leftover.sweep(lock, store, tmp_path / "backups", owner="")
    assert copy not in databases(store)


def test_a_record_that_was_edited(store: Store, tmp_path: Path):
    """A backup that somebody has named as no backup is called drops nothing: a team's own database may have that name."""
    run(props(store, tmp_path))
    (made,) = shelf.load(tmp_path / "backups")
    forged = Path(made.folder).with_name("y")
    shutil.copytree(made.folder, forged)
    (forged / "manifest.json").write_text(made.manifest.model_copy(update={"id": "y"}).model_dump_json())
    theirs = f"{store.dbname}_drill_y"
    with connect(store.at("postgres")) as connection:
        connection.execute(f"create database {theirs}")
    with held(store, "test") as lock:
        leftover.sweep(lock, store, tmp_path / "backups", owner=made.manifest.owner)
    assert theirs in databases(store)


RUN = "import json, sys; from sluice.hooks.backup import BackupProvider; BackupProvider().create(json.loads(sys.argv[1]))"


@pytest.mark.parametrize("end", ["", "_trial"])
def test_killed_at_work(store: Store, tmp_path: Path, end: str):
    """A deployer that is killed in its drill, or in its rehearsal, leaves a copy, or two; the next run removes them."""
    given = props(store, tmp_path, {"0001_slow.sql": "select pg_sleep(2);"})
    deployer = subprocess.Popen([sys.executable, "-c", RUN, json.dumps(given)], stderr=subprocess.DEVNULL)

    def left() -> set[str]:
        return {name for name in databases(store) if name.startswith(f"{store.dbname}_drill_")}

    try:
        deadline = time.monotonic() + 60
        while not any(name.endswith(end) for name in left()):
            assert deployer.poll() is None
            assert time.monotonic() < deadline
    finally:
        deployer.kill()
        deployer.wait()
    before = left()
    assert any(name.endswith(end) for name in before)
    run(props(store, tmp_path, {"0001_slow.sql": "select 1;"}))
    (copy,) = left()
    assert copy not in before
