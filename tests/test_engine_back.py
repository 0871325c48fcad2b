"""Going back across migrations with the command, and with the plain commands that it prints."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from sluice.core.record import Record
from sluice.systems import shelf
from tests.fixtures.engine import Engine
from tests.fixtures.matrix import DEAD, SHOP, applied, ask, last, matrix, want
from tests.fixtures.sluice import sluice, told

pytestmark = [pytest.mark.engine, pytest.mark.embedded]


@pytest.fixture(scope="module")
def shop() -> Iterator[Engine]:
    """1.0 is live at revision 0001, and its database has a row."""
    with matrix() as engine:
        released(engine, "1.0", "0001")
        ask(engine, "insert into orders (item) values ('boat')")
        yield engine


def released(engine: Engine, version: str, revision: str) -> str:
    """Bring out a release, and return its block."""
    want(engine, version, revision)
    done = engine.up()
    assert done.ok, done.out
    return last(engine)


def proven(engine: Engine) -> Record:
    return Record.parse(engine.outputs()["proven"][0])


def rollout(engine: Engine) -> Any:
    return json.loads(engine.run("config", "get", "sluice:rollout").out)


def typed(engine: Engine, *words: str) -> None:
    """Run the plain commands of a plan, as anybody would."""
    commands = told(engine, "plan", *words)["commands"]
    assert commands
    for command in commands:
        ran = subprocess.run(command, shell=True, cwd=engine.folder, env=engine.env, capture_output=True, text=True, check=False)  # noqa: S602
        assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"


def test_expand(shop: Engine):
    """Across an expand code alone goes back, and the database stays."""
    first = last(shop)
    released(shop, "1.1", "0002")
    done = sluice(shop, "rollback", "--yes")
    assert done.ok, done.out
    assert "code only: from '1.1-" in done.out
    assert (shop.live, last(shop), applied(shop)) == ("1.0", first, ["0001_orders", "0002_total"])


def test_exact(shop: Engine):
    """Asked for exactly, the expand goes too, by leave that is in config while it runs and never after."""
    before = rollout(shop)
    released(shop, "1.1", "0002")
    done = sluice(shop, "rollback", "--exact", "--yes")
    assert done.ok, done.out
    assert (shop.live, applied(shop)) == ("1.0", ["0001_orders"])
    assert rollout(shop) == before
    assert len(proven(shop).approvals) == 1


def test_reversible(shop: Engine):
    """A contract that can be undone is, before the older code comes, with failed updates between, and without its file."""
    second = released(shop, "1.1", "0002")
    released(shop, "1.2", "0003")
    for version in ("1.3", "1.4"):
        want(shop, version, "0003", **DEAD)
        assert not shop.up().ok
    files = sorted((shop.folder / "migrations" / SHOP).glob("000[345]*"))
    texts = {path: path.read_text() for path in files}
    for path in files:
        path.unlink()
    try:
        done = sluice(shop, "rollback", "--to", "1.1", "--yes")
    finally:
        for path, text in texts.items():
            path.write_text(text)
    assert done.ok, done.out
    assert "code + downgrade: from '1.4-" in done.out
    assert (shop.live, last(shop), applied(shop)) == ("1.1", second, ["0001_orders", "0002_total"])
    assert "permissions" not in rollout(shop)


def test_lossy(shop: Engine):
    """What loses rows is refused with their number until it is accepted by name; the plain commands do the same."""
    second = last(shop)
    released(shop, "1.2", "0003")
    released(shop, "1.5", "0004")
    refused = sluice(shop, "rollback", "--to", "1.1", "--yes")
    assert refused.code == 1
    assert "shop: going back loses data ('0004_note': 1 row): accept it by name (0004), or release a revision from there on" in refused.out
    assert refused.out.endswith("error: this plan is 'refuse': nothing was touched\n")
    typed(shop, "--to", "1.1", "--accept-loss", "0004")
    assert (shop.live, last(shop), applied(shop)) == ("1.1", second, ["0001_orders", "0002_total"])
    assert "permissions" not in rollout(shop)
    assert ask(shop, "select item from old_orders") == [("boat",)]
    assert ask(shop, "select count(*) from notes") == [(0,)]


def test_database(shop: Engine):
    """A database alone goes back to before its contract, under the code that runs; what that may need it keeps."""
    released(shop, "1.2", "0003")
    refused = sluice(shop, "rollback", "--db-only", "--to-revision", "0001", "--yes")
    assert "is made for '0003' and may need '0002_total': leave db-only out" in refused.out
    done = sluice(shop, "rollback", "--db-only", "--to-revision", "0002", "--yes")
    assert done.ok, done.out
    assert json.loads(last(shop)) == {"kind": "configuration", "schema": {SHOP: "0002"}, "version": "1.2"}
    assert (shop.live, shop.serving(), applied(shop)) == ("1.2", {"1.2"}, ["0001_orders", "0002_total"])
    released(shop, "1.2", "0003")
    typed(shop, "--db-only", "--to-revision", f"{SHOP}=0002")
    assert applied(shop) == ["0001_orders", "0002_total"]
    assert told(shop, "plan")["refusals"][0].endswith("to go back further, name a release with --to")


def test_restore_only(shop: Engine):
    """What has no way back asks for the backup that was made before it, by name."""
    released(shop, "1.2", "0003")
    released(shop, "1.5", "0004")
    released(shop, "1.6", "0005")
    made = told(shop, "plan")
    assert (made["action"], made["steps"][0]["why"][:36]) == ("restore", "'0005_total' has no way back; backup")
    (backup,) = [one.id for one in shelf.load(shop.root / "backups", database=SHOP) if one.id == made["steps"][0]["backup"]]
    refused = sluice(shop, "rollback", "--yes")
    assert refused.out.endswith(f"accept it by name, with --to-backup {backup}; nothing was touched\n")
    done = sluice(shop, "rollback", "--to-backup", backup, "--yes")
    assert done.ok, done.out
    assert "restore: from '1.6-" in done.out
    assert (shop.live, applied(shop)[-1]) == ("1.5", "0004_note")
    assert "restore" not in rollout(shop)


def test_corrupt(shop: Engine):
    """Corrupt data go back alone, under the release that is live, whose block stays as it is; the plain commands do the same."""
    before, rows = last(shop), ask(shop, "select item from orders")
    backup = told(shop, "plan", "--db-only", "--symptom", "corruption")["steps"][0]["backup"]
    ask(shop, "update orders set item = 'spoiled'")
    typed(shop, "--db-only", "--symptom", "corruption", "--to-backup", backup)
    assert ask(shop, "select item from orders") == rows
    assert (shop.live, last(shop)) == ("1.5", before)
    assert "restore" not in rollout(shop)
