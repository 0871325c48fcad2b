"""Databases that go back alone: only where what runs runs with the result."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sluice.core.rollback.block import release_id
from sluice.core.rollback.database import Action, Change
from sluice.core.rollback.plan import Plan
from sluice.core.rollback.symptom import Symptom, Trouble
from tests.fixtures.past import GOOD, change, made, past

BLOCK = '{"version":"2","schema":{"shop":"3"}}'


def alone(*changes: Change, own: str = "3", **more: Any) -> Plan:
    """Plan for a database whose code, made for `own`, stays."""
    return made(*changes, only="database", live=past("2", own, BLOCK), **more)


def test_contract():
    """A contract goes back under the code that was there before it: in config its revision changes, and the release is another one."""
    found = alone(change("2"), change("3", "contract"), revisions={"shop": "2"})
    assert (found.action, found.downgrade, found.steps[0].migrations) == (Action.DOWNGRADE, "needed", ["3_x"])
    assert found.edits == {"kind": "configuration", "schema.shop": "2"}
    assert found.target == release_id('{"version":"2","schema":{"shop":"2"},"kind":"configuration"}')
    assert (found.failing, found.config, found.services) == ("2-a", BLOCK, {"web": ("web@2", "web@2")})


def test_target():
    """Without a revision it is the one of the release that would be gone back to."""
    found = alone(change("2", "contract"), change("3", "contract"))
    assert (found.steps[0].target, found.steps[0].migrations) == ("1", ["3_x", "2_x"])


@pytest.mark.parametrize(
    ("changes", "own", "to", "why"),
    [
        (
            [change("2"), change("3", "contract")],
            "3",
            "1",
            "'2-a', which runs, is made for '3' and may need '2_x': leave db-only out, or go",
        ),
        ([change("2", "contract"), change("3", half=True)], "1", "2", "'3_x' has not come to its end: finish it, or bring it back"),
        ([change("2", "contract"), change("3")], "1", "2", "'2-a', which runs, is made for '1', and does not run with '2'"),
        ([change("2", "contract", "restore-only")], "2", "1", "'2_x' has no way back: restore a backup made before it, with --to-backup"),
        ([change("2", "contract"), change("3")], "2", "1", "'2_x' goes back before '3_x', which is newer: go back to '2' first"),
        ([change("2", "contract", "lossy", lost=2)], "2", "1", "going back loses data ('2_x': 2 rows): accept it by name (2)"),
    ],
)
def test_refused(changes: list[Change], own: str, to: str, why: str):
    """What runs must run with the result, and every way back be there."""
    found = alone(*changes, own=own, revisions={"shop": to})
    assert found.action is Action.REFUSE
    assert found.refusals[0].startswith(f"shop: {why}")


def test_left_behind():
    """Expands that a failed release has left go back exactly, in all databases, as one permission is for all of them."""
    other = made(change("2")).steps[0]
    assert other.action is Action.CODE
    found = alone(change("2"), own="1", target=past("2", "1", BLOCK))
    assert (found.action, found.downgrade, found.edits["schema.shop"]) == (Action.DOWNGRADE, "exact", "1")


def test_nothing():
    """Where no database is ahead there is nothing to do; and of the release that is live already nothing runs again."""
    assert alone(own="1").refusals == ["no database is ahead of that: nothing to go back from"]
    block = '{"version":"2","kind":"configuration","schema":{"shop":"1"}}'
    live = past("2", "1", block)
    live = live.model_copy(update={"record": live.record.model_copy(update={"id": release_id(block)})})
    same = made(change("2"), only="database", live=live, revisions={"shop": "1"})
    why = f"'{live.id}' is this release already, and its steps do not run again: what is ahead goes with the next release"
    assert same.refusals == [why]


def test_a_block_that_is_a_text():
    """A block that somebody has set as one text has no part that could be another."""
    found = made(change("2", "contract"), only="database", live=past("2", "2", json.dumps(BLOCK)), revisions={"shop": "1"})
    why = "is one text in config, of which no part can be set"
    assert found.refusals == [f"'2-a' {why}: release it once as a map, key by key with `pulumi config set --path`, then again"]


def test_unknown():
    """A database or revision that is not there is told with those that are."""
    assert alone(revisions={"shp": "1"}).refusals[0] == "--to-revision shp=1: known databases are shop"
    assert alone(change("2"), revisions={"shop": "9"}).refusals[0] == "--to-revision shop=9: 'shop' has 1, 2"


def test_restore():
    """A database goes to a backup under the code that runs: config stays as it is, and the instruction is for the live release."""
    found = alone(change("2"), own="1", backups=[GOOD], backup_ids=["b1"])
    assert (found.action, found.target, found.edits, found.steps[0].backup) == (Action.RESTORE, "2-a", {}, "b1")
    corrupt = alone(change("2"), own="1", backups=[GOOD], symptoms=[Symptom(trouble=Trouble.CORRUPTION)], target=None)
    assert (corrupt.action, corrupt.steps[0].refuse) == (Action.RESTORE, True)
