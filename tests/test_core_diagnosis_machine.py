"""The machine under a stack: what is little, what is taken, what is left over."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.core.diagnosis import machine
from sluice.core.diagnosis.finding import GIB, Finding, State
from sluice.core.diagnosis.machine import Disk, Listener

LOOK = "du -xh --max-depth=2 /data | sort -h | tail"


def seen(found: Finding) -> tuple[str, str]:
    return found.state.value, found.line


def disk(**more: Any) -> Disk:
    return Disk(**{"path": "/data", "purposes": ["backups", "data"], "free": 50 * GIB, "size": 100 * GIB, **more})


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (disk(), ("ok", "disk at '/data' (backups, data): 50.0 GiB free of 100.0 GiB")),
        (disk(needed=GIB), ("ok", "disk at '/data' (backups, data): 50.0 GiB free of 100.0 GiB, 1.0 GiB needed by the next backup")),
        (
            disk(free=GIB, needed=2 * GIB),
            (
                "problem",
                "disk at '/data' (backups, data): 1.0 GiB free of 100.0 GiB, expected 2.0 GiB for the next backup and its drill: the next"
                f" backup and its restore would not fit, and no migration starts without them; run: {LOOK}",
            ),
        ),
        (
            disk(free=9 * GIB),
            (
                "warning",
                "disk at '/data' (backups, data): 9.0 GiB free of 100.0 GiB, expected at most 90% used: a full disk stops the database;"
                f" run: {LOOK}",
            ),
        ),
        (
            disk(nodes=0),
            (
                "problem",
                "disk at '/data' (backups, data): 50.0 GiB free of 100.0 GiB, no inode free: it holds too many files to take another;"
                f" run: {LOOK}",
            ),
        ),
    ],
)
def test_disk(found: Disk, told: tuple[str, str]):
    """Room is judged by what the next backup and its drill need, by being nearly full, and by inodes."""
    assert seen(machine.disk(found)) == told


@pytest.mark.parametrize(("left", "state"), [(50, "ok"), (15, "ok"), (14, "warning"), (5, "warning"), (4, "problem")])
def test_memory(left: int, state: str):
    """Above 85 % used it is looked into, as the runbook has it; above 95 % somebody is about to be ended."""
    assert machine.memory(left * GIB, 100 * GIB).state.value == state


def test_load():
    """Twice as much work as there are cores is slow for everybody."""
    assert seen(machine.load(4.0, 2)) == ("ok", "load: 4.0 processes want 2 cores")
    told = "load: 4.1 processes want 2 cores, expected at most 4: answers are slow for want of processors; run: ps aux --sort=-pcpu | head"
    assert seen(machine.load(4.1, 2)) == ("warning", told)


def test_ports():
    """A port is told when somebody else listens on it; one on which nobody does is its service's own trouble."""
    wanted, own = {"web@1": 20001, "front": 20002, "db": 20003}, {"web@1": [7, 8], "front": [], "db": [9]}
    heard = {20001: Listener(8, "python"), 20003: Listener(9, "postgres")}
    assert [seen(one) for one in machine.ports(wanted, heard, own)] == [("ok", "ports: 3 of the stack, none taken by another")]
    strange = machine.ports(wanted, {**heard, 20002: Listener(66, "nc"), 20003: Listener(0, "")}, own)
    told = "expected 'front' or nobody: 'nc' (pid 66) listens where 'front' should; run: ss -ltnp 'sport = :20002'"
    hidden = "expected 'db' or nobody: a process of another user listens where 'db' should; run: ss -ltnp 'sport = :20003'"
    assert [seen(one) for one in strange] == [
        ("problem", f"port 20002: taken by 'nc' (pid 66), {told}"),
        ("problem", f"port 20003: taken by a process of another user, {hidden}"),
    ]


def test_orphans():
    """What works in the folder and nobody started is told with the command that ends it, but not while an update is at work."""
    assert [one.state for one in machine.orphans({}, "/s", busy=False)] == [State.OK]
    assert [one.state for one in machine.orphans({5: "sleep"}, "/s", busy=True)] == [State.OK]
    (one,) = machine.orphans({5: "sleep", 6: "sh"}, "/s", busy=False)
    told = "left over in '/s': 5 (sleep), 6 (sh), expected none: whoever started them was killed, and nothing will stop them; run: kill 5 6"
    assert seen(one) == ("warning", f"processes: {told}")


@pytest.mark.parametrize(("behind", "state"), [(0.2, "ok"), (-5.0, "ok"), (6.0, "warning"), (-6.0, "warning")])
def test_clock(behind: float, state: str):
    """A clock that is off either way by more than five seconds is told."""
    assert machine.clock(behind).state.value == state
