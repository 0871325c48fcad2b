"""Why a migration may not run, or go back: whole sentences, whatever kind of migration it is."""

from __future__ import annotations

import pytest

from sluice.core.migration import refusal
from sluice.core.migration.file import Migration, Phase, Way, parse


def one(id: str, phase: Phase = "expand") -> Migration:
    return parse(f"{id}_m", f"-- phase: {phase}\nselect 1", "select 2")


EXPAND, CONTRACT = one("0003"), one("0002", "contract")


def test_forward():
    """What cannot run says what comes first."""
    assert refusal.late(CONTRACT, EXPAND) == (
        "'0003_m' cannot expand before '0002_m', a contract, which waits until old code is gone: "
        "release '0002' first, and '0003' after it has settled"
    )
    assert refusal.unproven(EXPAND) == "'0003_m' is an expand that has not run, so no new code can have proven itself on it: expand first"
    assert (refusal.waits([CONTRACT, EXPAND]), refusal.waits([])) == (["waits for settle: 0002_m, 0003_m"], [])


def test_newer():
    """What is newer than the target stays, or is refused with what to release."""
    assert refusal.stays(EXPAND, "0001") == "stays: '0003_m' is newer than '0001', which is said to run with it"
    why = "the database has '0003_m', newer than '0001', whose record does not say that it runs with it"
    assert refusal.newer(EXPAND, "0001") == f"{why}: release a revision from '0003' on"


@pytest.mark.parametrize(
    ("way", "allowed", "why"),
    [
        ("reversible", [], ""),
        ("lossy", ["0003"], ""),
        ("lossy", [], "going back from '0003_m' loses data: allow it by name ('0003'), or release a revision from '0003' on"),
        (
            "restore-only",
            ["0003"],
            "'0003_m' has no way back but a restore: release a revision from '0003' on, or restore a backup made before it",
        ),
    ],
)
def test_lost(way: Way, allowed: list[str], why: str):
    """Back from what loses data goes who allows it by its name; from what has no way back, nobody."""
    assert refusal.lost(EXPAND, way, allowed) == why


def test_around_older_code():
    """A contract below an expand, and one that is still there in settle, say what goes first."""
    assert refusal.buried([EXPAND, CONTRACT], "0001") == [
        "'0002_m' goes back before the older code comes, and '0003_m' after it only once newer code is gone: "
        "go back to exactly '0002' first, and to '0001' after that has settled"
    ]
    assert refusal.buried([EXPAND], "0001") == refusal.early([]) == []
    assert refusal.early([CONTRACT]) == ["'0002_m' is a contract, and goes back before the older code comes: expand first"]
