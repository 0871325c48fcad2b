"""Migrations as steps of a release: only what is saved is changed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from sluice.core.backup.manifest import Backup as Made
from sluice.core.errors import Refused
from sluice.core.store import Store
from sluice.hooks.backup import BackupProvider
from sluice.hooks.migration import MigrationProvider
from sluice.systems import migrations, shelf
from tests.fixtures.store import connect
from tests.test_hooks_backup import props

pytestmark = pytest.mark.embedded


def run(given: dict[str, Any], phase: str = "expand", **more: Any) -> dict[str, Any]:
    return dict(MigrationProvider().create({**given, "phase": phase, "backups": {}, **more}).outs or {})


def saved(given: dict[str, Any]) -> dict[str, str]:
    return dict((BackupProvider().create(given).outs or {})["backups"])


def edited(folder: Path, **facts: Any) -> Made:
    """Change what the manifest of the one backup says, and write down anew that it was proved and rehearsed on."""
    (made,) = shelf.load(folder)
    assert made.drilled
    assert made.rehearsed
    path = Path(made.folder) / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))
    shelf.record(made, made.drilled)
    shelf.record(made, made.rehearsed)
    return made


def columns(store: Store) -> list[Any]:
    with connect(store) as connection:
        return connection.execute("select attname from pg_attribute where attrelid = 'orders'::regclass and attnum > 2").fetchall()


def test_expand(store: Store, tmp_path: Path):
    """With a proved backup of this release the pending files run; again there is nothing to run."""
    given = props(store, tmp_path)
    backups = saved(given)
    outs = run(given, backups=backups)
    ((name, took),) = outs.pop("seconds").items()
    assert outs == {"release": "r1", "revisions": {store.dbname: "0001"}, "lines": [f"{store.dbname}: 0001_total"]}
    (file,) = migrations.read(tmp_path / "migrations")
    assert name == f"{store.dbname}/{file.key}"
    assert 0 < took < 5
    assert columns(store) == [("total",)]
    again = run(given, backups=backups)
    # What an earlier attempt has run counts for the release, and for no other.
    assert (again["lines"], again["seconds"]) == ([], {name: took})
    assert run({**given, "release": "r2"}, backups=backups)["seconds"] == {}


def test_not_saved(store: Store, tmp_path: Path):
    """Without a backup, with one that is gone, unproved, changed after its drill, or old, nothing is migrated."""
    given = props(store, tmp_path)
    backups = saved(given)
    (made,) = shelf.load(tmp_path / "backups")
    place = Path(made.folder)

    def why(**more: Any) -> str:
        with pytest.raises(Refused) as error:
            run(given, **more)
        assert columns(store) == []
        return str(error.value)

    ending = ": nothing was migrated; run `pulumi up` again"
    assert why() == f"backup 'None' of '{store.dbname}' is not in '{tmp_path / 'backups'}'{ending}"
    assert why(backups={store.dbname: "x"}) == f"backup 'x' of '{store.dbname}' is not in '{tmp_path / 'backups'}'{ending}"
    manifest, proof = (place / "manifest.json").read_text(), (place / "drilled.json").read_text()
    unproved = f"backup '{made.id}' of '{store.dbname}' has not been restored and compared{ending}"
    (place / "manifest.json").write_text(manifest.replace(made.manifest.parts[0].sha256, "0" * 64))
    assert why(backups=backups) == unproved
    (place / "manifest.json").write_text(manifest)
    (place / "drilled.json").unlink()
    assert why(backups=backups) == unproved
    (place / "drilled.json").write_text(proof)
    rehearsed = made.rehearsed
    assert rehearsed
    (place / "rehearsed.json").unlink()
    assert why(backups=backups) == f"nothing was rehearsed on backup '{made.id}' of '{store.dbname}'{ending}"
    shelf.record(made, rehearsed.model_copy(update={"at": time.time() - 1000}))
    assert f"backup {made.id} has been ready for 1000 s, at most 900 s are allowed" in why(backups=backups)


def test_slow(store: Store, tmp_path: Path):
    """A dump, drill and rehearsal that took hours open the way: what counts is how long all has been ready."""
    given = props(store, tmp_path)
    backups = saved(given)
    edited(tmp_path / "backups", made_at=time.time() - 20_000)
    assert run(given, backups=backups)["revisions"] == {store.dbname: "0001"}


def test_another_file(store: Store, tmp_path: Path):
    """What runs is what was rehearsed: a file that was edited, or that came later, does not run, in either phase."""
    given = props(store, tmp_path)
    backups = saved(given)
    folder = Path(given["databases"][0]["folder"])
    up = (folder / "0001_total.sql").read_text()
    (folder / "0001_total.sql").write_text("drop view recent;" + up)
    with pytest.raises(Refused, match=r"^'0001_total' is not what was rehearsed for expand: its file has changed since"):
        run(given, backups=backups)
    (folder / "0001_total.sql").write_text(up)
    run(given, backups=backups)
    (folder / "0002_gone.sql").write_text("-- phase: contract\n-- way: restore-only\ndrop view recent;")
    given["databases"][0] |= {"target": "0002"}
    with pytest.raises(Refused, match=r"^'0002_gone' is not what was rehearsed for settle"):
        run(given, "settle", backups=backups)


def test_another_history(store: Store, tmp_path: Path):
    """What was rehearsed on another history does not run: somebody has migrated since."""
    given = props(store, tmp_path)
    backups = saved(given)
    run(given, backups=backups)
    with connect(store) as connection:
        connection.execute("alter table orders drop column total")
        connection.execute("update sluice_history.migration set id = '0000', name = '0000_other'")
    (Path(given["databases"][0]["folder"]) / "0000_other.sql").write_text(
        (Path(given["databases"][0]["folder"]) / "0001_total.sql").read_text()
    )
    (Path(given["databases"][0]["folder"]) / "0000_other.down.sql").write_text(
        (Path(given["databases"][0]["folder"]) / "0001_total.down.sql").read_text()
    )
    with pytest.raises(Refused, match="the history of migrations is not the one that expand was rehearsed on"):
        run(given, backups=backups)


def test_another_server(store: Store, tmp_path: Path):
    """A backup of another server opens nothing, however well it was proved."""
    given = props(store, tmp_path)
    backups = saved(given)
    made = edited(tmp_path / "backups", system="7")
    with pytest.raises(Refused, match=rf"is from system 7, and the server is system {made.manifest.system}"):
        run(given, backups=backups)


def test_nothing_to_lose(bare: Store, tmp_path: Path):
    """An empty database on its first deployment needs no backup."""
    given = props(bare, tmp_path, {"0001_a.sql": "create table a (id int);"})
    given["databases"][0] |= {"known": False}
    assert run(given)["revisions"] == {bare.dbname: "0001"}


def test_settle(store: Store, tmp_path: Path):
    """A contract waits for settle, which runs it once the old code is gone."""
    files = {"0001_gone.sql": '-- phase: contract\n-- way: restore-only\ndrop table "Odd Name";'}
    given = props(store, tmp_path, files)
    backups = saved(given)
    assert run(given, backups=backups)["revisions"] == {store.dbname: ""}
    assert run(given, "settle", backups=backups)["revisions"] == {store.dbname: "0001"}


def test_ahead(store: Store, tmp_path: Path):
    """A database that is ahead by expand files serves the older release, and stays; one that is ahead by a contract is refused."""
    given = props(store, tmp_path, {"0001_a.sql": "create table a (id int);", "0002_b.sql": "create table b (id int);"})
    given["databases"][0] |= {"target": "0002"}
    run(given, backups=saved(given))
    given["databases"][0] |= {"target": "0001"}
    for phase in ("expand", "settle"):
        outs = run(given, phase)
        assert outs["revisions"] == {store.dbname: "0002"}
        assert "0002_b" in outs["lines"][0]
    with connect(store) as connection:
        connection.execute("update sluice_history.migration set phase = 'contract' where id = '0002'")
    with pytest.raises(Refused, match="the database has '0002_b', newer than '0001'"):
        run(given)


def test_held(store: Store, tmp_path: Path):
    """Nothing is settled while a release is held on the way: the live one serves beside it, and needs what is there."""
    given = props(store, tmp_path)
    held = {"release": "r1", "weight": 10, "since": "", "until": ""}
    nothing = {"release": "r1", "revisions": {}, "seconds": {}, "lines": []}
    assert run(given, phase="settle", backups=saved(given), held=held) == nothing
    assert columns(store) == []


def test_settled(store: Store, tmp_path: Path):
    """A settled release runs nothing, even when somebody forces it, and wants its database to be as it was proven with."""
    nothing = {"release": "r1", "revisions": {}, "seconds": {}, "lines": []}
    given = props(store, tmp_path)
    with pytest.raises(Refused, match=r"r1 was proven, but .* changed what it runs with:\n.*'0001_total' is not applied"):
        run(given, settled=True)
    assert columns(store) == []
    run(given, backups=saved(given))
    assert run(given, settled=True) == nothing
    with connect(store) as connection:
        connection.execute(
            "insert into sluice_history.migration select * from (select (jsonb_populate_record(m, newer)).* from "
            'sluice_history.migration m, (values (jsonb \'{"id": "0002", "name": "0002_b"}\')) n(newer)) o'
        )
    assert run(given, settled=True) == nothing
    with connect(store) as connection:
        connection.execute("update sluice_history.migration set phase = 'contract' where id = '0002'")
    with pytest.raises(Refused, match="the database has '0002_b', newer than '0001', whose record does not say that it runs with it"):
        run(given, settled=True)
    given["databases"][0]["store"]["port"] = 1
    assert run(given, settled=True) == nothing


def test_comes_back():
    """A settled release looks at its databases once when another one was tried in between, and never again."""
    differs = MigrationProvider().diff
    settled = {"release": "r1", "settled": True, "phase": "expand"}
    assert differs("", {"release": "r2"}, settled).changes
    assert not differs("", {"release": "r1"}, settled).changes
    assert not differs("", {"release": "r2"}, settled | {"phase": "settle"}).changes
    assert differs("", {"release": "r1"}, settled | {"settled": False}).changes


def test_another_release(store: Store, tmp_path: Path):
    """A backup that was made for another release opens nothing, nor does a contract run without one."""
    given = props(store, tmp_path)
    backups = saved(given)
    with pytest.raises(Refused, match="was made for release 'r1', not for 'r2'"):
        run({**given, "release": "r2"}, backups=backups)
    given = props(store, tmp_path, {"0001_total.sql": "-- phase: contract\ndrop view recent;"})
    (Path(given["databases"][0]["folder"]) / "0001_total.down.sql").unlink()
    with pytest.raises(Refused, match="nothing was migrated"):
        run(given, "settle")
