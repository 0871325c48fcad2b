"""The commands of a plan: leave and instructions for one release, its block, the update, and what is cleared after it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sluice.core.record import Built, Record
from sluice.core.rollback.database import Action, Step
from sluice.core.rollback.plan import Plan
from sluice.core.rollback.symptom import Scope
from sluice.core.update import Outcome, Update
from sluice.history.orders import Orders, cleared, orders
from sluice.history.pulumi import UP, Pulumi
from sluice.history.stack import Stack
from tests.fixtures.past import AT

BLOCK = '{"schema":{"shop":"1"},"version":"1.0"}'
RELEASE = ["pulumi", "config", "set-all", "--path"]


def stack(rollout: Any = None, configured: str = '{"version":"2.0"}') -> Stack:
    """Return a stack that has proven 1.0 with that block, and whose rollout is this."""
    record = Record(id=ID, version="1.0", kind="minor", services={"web": Built(name="web@1", version="1.0")}, at=AT, approvals=["spent"])
    resources = [{"type": "pulumi:pulumi:Stack", "outputs": {"proven": [record.text]}}]
    at = int(AT.timestamp())
    update = Update(kind="update", outcome=Outcome.SUCCEEDED, begun=at, ended=at + 1, release=BLOCK)
    text = json.dumps(rollout) if rollout is not None else None
    return Stack(Pulumi(Path(), "test"), "", {"resources": resources}, configured, [update], text)


def id_of(block: str) -> str:
    from sluice.core.rollback.block import release_id

    return release_id(block) or ""


ID = id_of(BLOCK)


def plan(*steps: Step, **more: Any) -> Plan:
    action = max((step.action for step in steps), key=list(Action).index, default=Action.CODE)
    return Plan(action=action, scope=Scope.FULL, failing="2.0-a", target=ID, config=BLOCK, steps=list(steps), **more)


def down(**more: Any) -> Step:
    return Step(database="shop", action=Action.DOWNGRADE, revision="3", target="1", migrations=["3_x"], why="", **more)


def back(backup: str = "b1", **more: Any) -> Step:
    return Step(database="shop", action=Action.RESTORE, revision="3", target="1", backup=backup, why="", **more)


def values(argv: list[str]) -> dict[str, str]:
    """Return what a set-all sets."""
    assert argv[:4] == RELEASE
    return dict(word.split("=", 1) for word in argv[5:-2:2])


def test_code():
    """Code alone: the block is written as it was, and nothing is left to clear."""
    told = orders(stack(), plan(), "back")
    assert [argv[1:4] for argv in told.before] == [["config", "rm", "sluice:release"], ["config", "set-all", "--json"]]
    assert json.loads(told.before[1][4])["sluice:release"]["value"] == BLOCK
    assert told.up == ["pulumi", *UP, "--message", "back", "--stack", "test"]
    assert (told.after, len(told.shown)) == ([], 3)


def test_downgrade():
    """A downgrade needs leave, for this release and with a fresh nonce, which is cleared afterwards."""
    told = orders(stack(), plan(down(lossy=["3"])), "back")
    found = values(told.before[0])
    assert re.fullmatch(r"n[0-9a-f]{8}", found.pop("sluice:rollout.permissions[0].nonce"))
    assert found.pop("sluice:rollout.permissions[0].by")
    assert found == {
        "sluice:rollout.permissions[0].release": ID,
        "sluice:rollout.permissions[0].downgrade": "needed",
        "sluice:rollout.permissions[0].lossy[0]": "shop/3",
    }
    assert told.after == [["pulumi", "config", "rm", "--path", "sluice:rollout.permissions", "--stack", "test"]]
    assert values(orders(stack(), plan(down(exact=True)), "b").before[0])["sluice:rollout.permissions[0].downgrade"] == "exact"


def permission(release: str, nonce: str = "n1", downgrade: str = "needed", **more: Any) -> dict[str, Any]:
    return {"release": release, "by": "ada", "nonce": nonce, "downgrade": downgrade, **more}


def test_beside_others():
    """Other releases' entries stay, and what this one has left from before goes with its own."""
    rollout = {"permissions": [permission("x"), permission(ID, "spent"), permission("y")]}
    told = orders(stack(rollout), plan(down()), "back")
    assert values(told.before[0])["sluice:rollout.permissions[3].release"] == ID
    assert [argv[4] for argv in told.after] == ["sluice:rollout.permissions[3]", "sluice:rollout.permissions[1]"]


def test_again():
    """Leave that an interrupted attempt has written is enough, and is cleared by the one that comes through."""
    told = orders(stack({"permissions": [permission(ID)]}), plan(down()), "back")
    assert [argv[1:3] for argv in told.before] == [["config", "rm"], ["config", "set-all"]]
    assert [argv[4] for argv in told.after] == ["sluice:rollout.permissions"]
    more = orders(stack({"permissions": [permission(ID)]}), plan(down(lossy=["3"])), "back")
    assert "sluice:rollout.permissions[1].lossy[0]" in values(more.before[0])


def test_restore():
    """A restore is an instruction to this release, with a fresh nonce; one that was not finished goes on by its own."""
    told = orders(stack({"ladder": [100]}), plan(back(refuse=True)), "back")
    found = values(told.before[0])
    assert re.fullmatch(r"n[0-9a-f]{8}", found.pop("sluice:rollout.restore[0].nonce"))
    assert found == {
        "sluice:rollout.restore[0].release": ID,
        "sluice:rollout.restore[0].database": "shop",
        "sluice:rollout.restore[0].backup": "b1",
        "sluice:rollout.restore[0].refuse": "true",
    }
    assert told.after == [["pulumi", "config", "rm", "--path", "sluice:rollout.restore", "--stack", "test"]]
    left = {"restore": [{"release": ID, "nonce": "n1", "database": "shop", "backup": "b1"}]}
    assert len(orders(stack(left), plan(back()), "back").before) == 2
    assert len(orders(stack(left), plan(back("b2")), "back").before) == 3


def test_whole():
    """Where releases are held on their way, a way back is not: it has leave to go to the end, and every other release is held as before,
    also when the way back was interrupted, and is begun again."""
    held = {"until": 10, "ladder": [10, 100]}
    told = orders(stack(held), plan(), "back")
    found = values(told.before[0])
    nonce = found.pop("sluice:rollout.permissions[0].nonce")
    assert found.pop("sluice:rollout.permissions[0].by")
    assert found == {"sluice:rollout.permissions[0].release": ID, "sluice:rollout.permissions[0].whole": "true"}
    assert [argv[1:5] for argv in told.after] == [["config", "rm", "--path", "sluice:rollout.permissions"]]
    left = {**held, "permissions": [{"release": ID, "by": "ada", "nonce": nonce, "whole": True}]}
    again = orders(stack(left), plan(), "back")
    assert ([argv[1:3] for argv in again.before], again.after) == ([["config", "rm"], ["config", "set-all"]], told.after)
    spent = {**left, "permissions": [{**left["permissions"][0], "nonce": "spent"}]}
    assert values(orders(stack(spent), plan(), "back").before[0])["sluice:rollout.permissions[1].whole"] == "true"
    both = values(orders(stack(held), plan(down()), "back").before[0])
    assert (both["sluice:rollout.permissions[0].downgrade"], both["sluice:rollout.permissions[0].whole"]) == ("needed", "true")


class Config(Pulumi):
    """A CLI whose stack has that `sluice:rollout` by now."""

    now: Any = None

    def configs(self, *keys: str) -> list[str | None]:
        assert keys == ("sluice:rollout",)
        return [json.dumps(self.now)]


def test_cleared(monkeypatch: pytest.MonkeyPatch):
    """What was used up is found by its nonce in config as it is then: what others have written or taken away meanwhile stays as it is."""
    before = {"permissions": [permission("x"), permission(ID, "mine")], "restore": [{"release": ID, "nonce": "b", "database": "shop"}]}
    told = orders(stack(before), plan(down()), "back")
    assert told.used == {"mine", "b"}
    assert [argv[4] for argv in told.after] == ["sluice:rollout.permissions[1]", "sluice:rollout.restore"]
    now = {"permissions": [5, permission(ID, "mine"), permission("x"), permission(ID, "newer")], "restore": []}
    monkeypatch.setattr(Config, "now", now)
    config = Config(Path(), "test")
    assert [argv[4] for argv in cleared(config, told)] == ["sluice:rollout.permissions[1]"]
    monkeypatch.setattr(Config, "now", None)
    assert (cleared(config, told), cleared(Pulumi(Path(), "none"), Orders())) == ([], [])


def test_database():
    """A database alone changes its revision in the live release's block, which is written only where config has another one."""
    edits = {"kind": "configuration", "schema.shop": "1", "schema.a.b": "2"}
    told = orders(stack(configured=BLOCK), plan(down(), edits=edits), "back")
    wanted = {"sluice:release.kind": "configuration", "sluice:release.schema.shop": "1", 'sluice:release.schema["a.b"]': "2"}
    assert values(told.before[1]) == wanted
    assert [argv[2] for argv in orders(stack(), plan(down(), edits=edits), "b").before] == ["set-all", "rm", "set-all", "set-all"]


@pytest.mark.parametrize("action", [Action.REFUSE, Action.NOTHING])
def test_nothing(action: Action):
    """Of a plan that is not carried out there are no commands."""
    assert orders(stack(), plan().model_copy(update={"action": action}), "back") == Orders()
    assert Orders().shown == []
