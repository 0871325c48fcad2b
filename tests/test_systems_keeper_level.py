"""A lease's own time."""

from __future__ import annotations

import pytest

from sluice.core.clock import ManualClock
from sluice.core.lease import Hold, Lease, Seen
from sluice.systems.keeper.level import Level


def lease(owner: str = "o") -> Lease:
    return Lease(release="r2", owner=owner, rollout={}, heartbeat=10, hold=Hold(weight=10, since=1, until=2))


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_only_passes(jump: float):
    """Time begins with the machine's at the first sight of a lease, and anew with another lease; in between it is not set."""
    clock = ManualClock(1000)
    level = Level(clock)
    clock.jump(50)
    level.see(Seen(lease()))
    assert (level.now(), level.moved) == (1050, 0)
    clock.jump(jump)
    clock.wait(5)
    level.see(Seen(lease()))
    assert (level.now(), level.moved) == (1055, jump)
    level.see(Seen(lease("another")))
    assert (level.now(), level.moved) == (1055 + jump, 0)


def test_signs():
    """The first sign is as old as it says; each other one is as old as it is since it was seen; the same one again is none."""
    clock = ManualClock(1000)
    level = Level(clock)
    assert level.see(Seen(lease(), beat=993)).beat == 993
    clock.wait(3)
    assert level.see(Seen(lease(), beat=993)).beat == 993
    assert level.see(Seen(lease(), beat=5000)).beat == 1003
    clock.wait(4)
    assert level.see(Seen(lease(), beat=5000)).beat == 1003
    assert level.see(Seen(lease(), beat=2)).beat == 1007
    assert level.see(Seen(None, beat=0)).beat == 0
