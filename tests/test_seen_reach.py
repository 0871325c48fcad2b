"""Redcube's dblink triggers in a drill and a rehearsal: the live databases are not written to, and without the remedy they would be."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sluice.core.backup.manifest import Backup
from sluice.core.database import Database
from sluice.core.errors import BackupFailed
from sluice.core.migration.history import plan
from sluice.core.store import Store
from sluice.runtimes.process.server import tools
from sluice.systems import aside, backup, drill, migrations, rehearsal, restore, shelf
from tests.fixtures.redcube import EXAMPLE, Redcube

pytestmark = pytest.mark.embedded
USERS = "redcube_users"
FOLDER = EXAMPLE / "migrations" / USERS
# The place where things are put aside, and nothing put there.
NAKED = f"create schema if not exists {aside.ASIDE}; create table if not exists {aside.ASIDE}.kept (place int, undo text)"
# A migration that has the trigger copy every user.
LOUD = {"0002_loud.sql": "update users set email = upper(email);", "0002_loud.down.sql": "update users set email = lower(email);"}
MEND = {"mended": "select user_sync_mend() >= 0"}


@pytest.fixture
def store(redcube: Redcube) -> Iterator[Store]:
    """Given redcube's triggers with a user in both databases; they do without their own look at the database's name."""
    store = Store(**redcube.where, dbname=USERS, tools=str(tools()))
    migrations.run(store, plan(migrations.read(FOLDER), [], target="0001", phase="expand"), check=lambda: None, log=lambda _: None)
    (server,) = redcube.rows("select pg_get_functiondef('user_sync_server'::regproc)", USERS)[0]
    naive = server.replace("current_database() = 'redcube_users'", "true")
    assert naive != server
    redcube.rows(naive, USERS)
    redcube.rows("insert into users (email, password) values ('ada@example.org', 'x')", USERS)
    assert live(redcube) == ["ada@example.org"]
    yield store
    for (name,) in redcube.rows(f"select datname from pg_database where datname like '{USERS}\\_%'"):
        redcube.rows(f'drop database "{name}" with (force)')


def live(redcube: Redcube) -> list[str]:
    """Return who is in the database that the triggers write to."""
    return [email for (email,) in redcube.rows("select email from users order by 1")]


def unprotected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the remedy away: nothing is blocked, and triggers are on."""
    for module in (aside, restore):
        monkeypatch.setattr(module, "PROTECT", NAKED)
    for module in (drill, rehearsal):
        monkeypatch.setattr(module, "quiet", lambda *_: [])


def saved(store: Store, folder: Path) -> Backup:
    made = backup.make(store, folder)
    return next(one for one in shelf.load(folder) if one.id == made.id)


def rehearsed(store: Store, place: Path) -> tuple[str, ...]:
    """Drill the database, and rehearse the loud migration on the drill's copy."""
    folder = place / "migrations"
    shutil.copytree(FOLDER, folder)
    for name, text in LOUD.items():
        (folder / name).write_text(text)
    copy = drill.drill(store, saved(store, place / "backups")).scratch
    return rehearsal.rehearse(Database(store=store, folder=str(folder), target="0002", known=True), copy).lines


def test_a_rehearsal_reaches_nobody(redcube: Redcube, store: Store, tmp_path: Path) -> None:
    """A migration that has the trigger copy every user is rehearsed up, down and up, and no word of it reaches the live postgres."""
    *_, line = rehearsed(store, tmp_path)
    assert line.startswith("0002_loud: rehearsed up in ")
    assert "and up again in" in line
    assert live(redcube) == ["ada@example.org"]
    assert redcube.rows("select email from users", USERS) == [("ada@example.org",)]


def test_a_rehearsal_without_the_remedy(redcube: Redcube, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rehearsal without the remedy changes the live postgres: the test before this one would see it."""
    unprotected(monkeypatch)
    monkeypatch.setattr(rehearsal, "watch", lambda connection: None)
    rehearsed(store, tmp_path)
    assert live(redcube) == ["ADA@EXAMPLE.ORG"]


@pytest.fixture
def missed(redcube: Redcube, store: Store) -> Store:
    """Given a user who is missing in postgres, whom `user_sync_mend()` would bring there."""
    redcube.rows("delete from users")
    return store


def test_a_drill_reaches_nobody(redcube: Redcube, missed: Store, tmp_path: Path) -> None:
    """A drill whose check sends users over is stopped at the first word, and postgres is left alone."""
    with pytest.raises(BackupFailed, match=r"check 'mended': blocked: 'redcube_users_drill_\w+' is a drill's copy"):
        drill.drill(missed, saved(missed, tmp_path), checks=MEND)
    assert live(redcube) == []


def test_a_drill_without_the_remedy(redcube: Redcube, missed: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same drill without the remedy writes to the live postgres, though the check itself runs read-only."""
    unprotected(monkeypatch)
    with pytest.raises(BackupFailed, match="check 'mended': cannot execute DELETE in a read-only transaction"):
        drill.drill(missed, saved(missed, tmp_path), checks=MEND)
    assert live(redcube) == ["ada@example.org"]
