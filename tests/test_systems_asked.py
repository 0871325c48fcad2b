"""Restores that were asked for: what preview says of them, and whose turn it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from sluice.core.backup.manifest import Backup, scratch
from sluice.core.database import Database
from sluice.core.restore.loss import SAME, UNCOUNTED
from sluice.core.settings.restore import Instruction
from sluice.core.store import Store
from sluice.systems import asked
from sluice.systems.asked import Asked
from sluice.systems.recover import asides, back, from_backup
from tests.test_hooks_backup import props
from tests.test_hooks_backup import run as save
from tests.test_hooks_migration import run as migrate
from tests.test_systems_recover import drop as gone
from tests.test_systems_recover import order, proved, quiet, spoil

pytestmark = pytest.mark.embedded


def one(store: Store, backup: Backup, **more: Any) -> Asked:
    found = Instruction(release="r1", nonce="n1", database=store.dbname, backup=backup.id)
    return Asked(found, Database.read({"store": store, "known": True, **more}), backup=backup)


def test_story_of_a_kept_copy(store: Store, tmp_path: Path):
    """What a restore costs, when it is, which copy takes the place and how long that takes; nothing is touched."""
    saved = proved(store, tmp_path)
    spoil(store)
    said = asked.story(one(store, saved), moves=True, settled=False)
    copy = scratch(store.dbname, saved.id)
    assert (
        said[0] == f"{store.dbname} goes back ('n1') once this release has the traffic: what is live now would write into what is restored"
    )
    assert "  table public.orders: at least 120 rows are lost, 5120 now and 5000 then" in said
    assert re.fullmatch(
        rf"  by '{copy}', the copy that its drill has kept: about \d+\.\d s to compare it again, then both change names, "
        "at most 2 s in which nobody can write",
        said[-1],
    )
    assert asides(store) == []


def test_story_of_a_new_copy(store: Store, tmp_path: Path):
    """Without the copy a new one is made while the old database serves, in the time that its drill has taken."""
    saved = proved(store, tmp_path)
    gone(store, saved)
    assert saved.drilled
    said = asked.story(one(store, saved), moves=False, settled=True)
    assert said[0] == f"{store.dbname} goes back ('n1') at once: nothing else of this release runs"
    how = f"about {saved.drilled.rto:.1f} s, as in its drill"
    assert said[-1] == (
        f"  by a new database, restored and compared while the old one serves: {how}, then both change names, "
        "at most 2 s in which nobody can write"
    )


def test_story_of_what_was_put_aside(store: Store, tmp_path: Path):
    """What comes back from aside is told with what was written since it went."""
    saved = proved(store, tmp_path)
    spoil(store)
    from_backup(store, saved, order(saved), log=quiet)
    (old,) = asides(store)
    found = Instruction(release="r1", nonce="n2", database=store.dbname, aside=old.name)
    said = asked.story(Asked(found, Database(store=store), aside=old), moves=False, settled=False)
    assert said[:2] == [
        f"{store.dbname} goes back ('n2') first: no version changes",
        f"  {old.line}; it takes the place at once",
    ]
    assert said[2:] == [f"  {SAME}", f"  {UNCOUNTED}"]
    assert back(store, asked.order(found), log=quiet).lines[0] == f"'{store.dbname}' is again what was put aside as '{old.name}'"


def test_turn(store: Store, tmp_path: Path):
    """A restore waits for the traffic where the code that comes runs with the database as it is, and needs nothing but the restore."""
    given = props(store, tmp_path)
    migrate(given, backups=save(given)["backups"])
    folder = given["databases"][0]["folder"]
    at = proved(store, tmp_path / "more", revision="0001")
    before = at.model_copy(update={"manifest": at.manifest.model_copy(update={"revision": None})})
    assert asked.later(one(store, at, folder=folder, target="0001"), moves=True, settled=False)
    assert asked.later(one(store, at), moves=True, settled=False)
    assert not asked.later(one(store, at, folder=folder, target="0001"), moves=False, settled=False)
    assert not asked.later(one(store, before, folder=folder, target="0001"), moves=True, settled=False), "expand runs after it"
    (Path(folder) / "0002_mark.sql").write_text("alter table orders add column mark text;")
    assert not asked.later(one(store, at, folder=folder, target="0002"), moves=True, settled=False), "and before the code"


def test_turn_of_a_database_that_cannot_be_asked(store: Store, tmp_path: Path):
    """A database that does not answer goes back first: no code would be well with it."""
    saved = proved(store, tmp_path)
    nowhere = store.model_copy(update={"port": 1})
    assert not asked.later(one(nowhere, saved), moves=True, settled=False)
