"""What a Release tells people of restores, where there is nothing to ask or nobody who answers."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from sluice.components import restores
from sluice.core.database import Database
from sluice.core.store import Store
from tests.fixtures.mock import World

NOWHERE = Database(store=Store(host="127.0.0.1", port=1, user="nobody", dbname="shop")).wire()
ASKED = {"release": "r1", "nonce": "n1", "database": "shop", "backup": "B1"}


class Said:
    def __init__(self) -> None:
        self.info: list[str] = []
        self.warn: list[str] = []


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Said:
    one = Said()
    for level in ("info", "warn"):
        monkeypatch.setattr(pulumi.log, level, lambda text, *_, level=level: getattr(one, level).append(text))
    return one


def explain(world: World, instructions: list[dict[str, Any]], databases: list[dict[str, Any]]) -> set[str]:
    found: list[set[str]] = []

    def program() -> None:
        release = pulumi.ComponentResource("test:index:Release", "r")
        found.append(restores.explain(instructions, databases, "/backups", release, moves=True, settled=False))

    world.run(program)
    return found[0]


def test_nothing(world: World, said: Said):
    """Without an instruction nothing is said."""
    assert not restores.news([], [NOWHERE], "/backups")
    assert explain(world, [], []) == set()
    assert (said.info, said.warn) == ([], [])


def test_wrong(world: World, said: Said):
    """What will be refused is news, and preview says it."""
    assert restores.news([ASKED], [], "/backups")
    assert explain(world, [ASKED], []) == set()
    why = "'shop' is to be restored, and this release has no database"
    assert said.warn == [f"as things are now, `pulumi up` will refuse this release:\n  - {why}"]


def test_nobody_there(world: World, said: Said):
    """A database that cannot be asked is told, and ends no preview."""
    assert restores.news([ASKED], [NOWHERE], "/backups")
    assert explain(world, [ASKED], [NOWHERE]) == set()
    lost, refused = said.warn
    assert lost.startswith("what was restored, and would be, cannot be said: database 127.0.0.1:1/sluice_maintenance: ")
    assert refused.startswith("as things are now, `pulumi up` will refuse this release:\n  - database 127.0.0.1:1/sluice_maintenance: ")
    said.warn.clear()
    explain(world, [], [NOWHERE])
    assert said.warn == [lost]
