"""Where config wants it, no release brings a migration that nobody has read."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.alembic import two
from tests.fixtures.mock import World
from tests.test_components_release import Shop, app, shop

__all__ = ["app", "shop"]
FILES = {"0001_users": "create table users (id int);\n", "0002_orders": "create table orders (id int);\n"}
WANTED = {"approvals": {"migrations": True}}


@pytest.fixture
def folder(tmp_path: Path, shop: Shop) -> Path:
    """The migrations of the shop's database."""
    place = tmp_path / "migrations"
    place.mkdir()
    for name, text in FILES.items():
        (place / f"{name}.sql").write_text(text)
    shop.more = {"migrations": {"shop": place}}
    return place


def told(shop: Shop, world: World, target: str = "0002", live: str | None = None, **rollout: Any) -> list[str]:
    """Return what preflight has against a release."""
    proven = [shop.record("1").model_copy(update={"schema_": {"shop": live} if live else {}})]
    shop.release(shop.stack("2", proven=proven, rollout={**WANTED, **rollout}, schema={"shop": target}))
    facts = world["shop-preflight"].inputs["facts"]
    return [f"{one['name']}: {one['why']}; run: {one['command']}" for one in facts]


def test_unread(shop: Shop, world: World, folder: Path):
    """Each file on the way that nobody has read is told; whoever runs what is told with it lets them in."""
    found = told(shop, world)
    assert [line.partition(" as it is")[0] for line in found] == [
        f"review: nobody has reviewed '{name}' of database 'shop'" for name in FILES
    ]
    who = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_VALUE_0": "Ada Lovelace"}
    for line in found:
        subprocess.run(["sh", "-c", line.partition("; run: ")[2]], check=True, env={**os.environ, **who})
    assert (folder / "REVIEWED").read_text().count("  Ada Lovelace\n") == 2
    assert told(shop, world) == []
    (folder / "0002_orders.sql").write_text("drop table users;\n")
    (line,) = told(shop, world)
    assert "'0002_orders' of database 'shop' as it is, and 'Ada Lovelace' has read another text of it" in line


def test_only_what_is_new(shop: Shop, world: World, folder: Path):
    """What the live release has is there: a stack that begins to want reviews need not have its past read again."""
    assert [line.partition(" of ")[0] for line in told(shop, world, live="0001")] == ["review: nobody has reviewed '0002_orders'"]
    assert told(shop, world, live="0002") == []
    assert told(shop, world, target="0001", live="0002") == []


def test_not_asked(shop: Shop, world: World, folder: Path):
    """Without a word in config nobody has to have read anything."""
    assert told(shop, world, approvals={}) == []


def test_the_way_back(shop: Shop, world: World, folder: Path):
    """The way back to what is warm is open, whatever was read."""
    shop.release(shop.stack("1", proven=[shop.record("2"), shop.record("1")], rollout=WANTED))
    assert world["shop-preflight"].inputs["facts"] == []


def test_a_wrong_list(shop: Shop, world: World, folder: Path):
    """A list that cannot be read is a reason to refuse, with its line."""
    (folder / "REVIEWED").write_text("0001_users by Ada\n")
    shop.release(shop.stack("2", proven=[shop.record("1")], rollout=WANTED, schema={"shop": "0002"}))
    (fact,) = world["shop-preflight"].inputs["facts"]
    assert fact["why"] == f"{folder}/REVIEWED: line 1: is not '<sha256>  <migration>  <who has read it>'"


def test_alembic(shop: Shop, world: World, tmp_path: Path):
    """An Alembic tree has its list beside `env.py`."""
    spec = two(tmp_path / "tree")
    shop.more = {"migrations": {"shop": spec}}
    (line,) = told(shop, world, target="bb2", live="aa1")
    assert line.startswith("review: nobody has reviewed 'bb2")
    assert line.endswith(f'"$(git config user.name)" >> {spec.folder}/REVIEWED')
