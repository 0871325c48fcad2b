"""Restores that a person has asked a release for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sluice.core.backup.manifest import Backup
from sluice.core.database import Database
from sluice.core.errors import Refused
from sluice.core.store import Store
from sluice.hooks.restore import RestoreProvider
from tests.fixtures.store import connect
from tests.test_systems_recover import one, proved, spoil

pytestmark = pytest.mark.embedded


@pytest.fixture
def saved(store: Store, tmp_path: Path) -> Backup:
    made = proved(store, tmp_path)
    spoil(store)
    return made


def props(store: Store, saved: Backup, **more: Any) -> dict[str, Any]:
    asked = {"release": "r1", "nonce": "n1", "database": store.dbname, "backup": saved.id}
    wanted = Database(store=store, known=True).wire()
    folder = str(Path(saved.folder).parent.parent)
    return {"release": "r1", "settled": False, "databases": [wanted], "folder": folder, "instructions": [asked | more]}


def run(given: dict[str, Any]) -> dict[str, Any]:
    return dict(RestoreProvider().create(given).outs or {})


def test_once(store: Store, saved: Backup):
    """An instruction is carried out, and never again: not by another update, and not by a state that has forgotten it."""
    given = props(store, saved)
    outs = run(given)
    assert outs["done"] == ["n1"]
    assert f"{store.dbname}: table public.orders: at least 120 rows are lost, 5120 now and 5000 then" in outs["lines"]
    assert one(store, "select count(*) from orders") == 5000
    with connect(store) as connection:
        connection.execute("insert into orders (note) values ('since')")
    again = run(given)
    assert again["lines"][0] == f"{store.dbname}: had been done before, and was not done again"
    assert one(store, "select count(*) from orders where note = 'since'") == 1


def test_void(store: Store, saved: Backup):
    """An instruction for another release is void."""
    outs = run(props(store, saved, release="r0"))
    assert (outs["done"], outs["lines"]) == ([], [])
    assert one(store, "select count(*) from orders where note = 'bad'") == 5120


def test_refused(store: Store, saved: Backup):
    """A database or a backup that is not there is told before anything is touched."""
    wanted = f"^'other' is to be restored, and this release has '{store.dbname}': no database was touched$"
    with pytest.raises(Refused, match=wanted):
        run(props(store, saved, database="other"))
    wanted = f"^'{store.dbname}' is to be restored from 'none', and '.*' has {saved.id}: no database was touched$"
    with pytest.raises(Refused, match=wanted):
        run(props(store, saved, backup="none"))


@pytest.mark.parametrize(
    ("settled", "done", "release", "changes"),
    [(False, ["n1"], "r1", True), (True, ["n1"], "r1", False), (True, [], "r1", True), (True, [], "r0", False)],
)
def test_diff(store: Store, settled: bool, done: list[str], release: str, changes: bool):
    """A settled release looks only at an instruction of its own that is new."""
    asked = {"release": release, "nonce": "n1", "database": store.dbname, "backup": "b"}
    news = {"release": "r1", "settled": settled, "databases": [], "folder": "", "instructions": [asked]}
    assert RestoreProvider().diff("r1", {"release": "r1", "done": done}, news).changes is changes
