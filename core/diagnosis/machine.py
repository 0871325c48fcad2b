"""The machine: room, memory, load, ports, and what its variables and files must hold."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sluice.core.diagnosis.finding import Finding, State, fine, size

AREA = "machine"
# PostgreSQL stops when its disk is full: at this share somebody still has time.
FULL = 0.9
# Runbook 004, "Key Metrics to Monitor": memory above 85 % is looked into; at 95 % the kernel is about to end something.
MEMORY, OUT = 0.85, 0.95
# Work that waits for twice the cores is slow for everybody.
LOAD = 2.0


@dataclass(frozen=True)
class Disk:
    """A file system at `path`, in bytes for a normal user; `purposes` are what it is for, `needed` what the next backup takes there;
    `nodes` is how many more files it can hold, None where it does not count them."""

    path: str
    purposes: Sequence[str]
    free: int
    size: int
    needed: int = 0
    nodes: int | None = None


def disk(found: Disk) -> Finding:
    """Judge a disk against what the next backup and its drill need, and against being full."""
    what = f"disk at '{found.path}' ({', '.join(found.purposes)})"
    seen = f"{size(found.free)} free of {size(found.size)}"
    look = f"du -xh --max-depth=2 {shlex.quote(found.path)} | sort -h | tail"
    told = {"area": AREA, "what": what, "seen": seen, "next": look}
    if found.nodes == 0:
        return Finding(**{**told, "seen": f"{seen}, no inode free"}, state=State.PROBLEM, cause="it holds too many files to take another")
    if found.free < found.needed:
        cause = "the next backup and its restore would not fit, and no migration starts without them"
        return Finding(**told, state=State.PROBLEM, expected=f"{size(found.needed)} for the next backup and its drill", cause=cause)
    if found.size and 1 - found.free / found.size > FULL:
        cause = "a full disk stops the database"
        return Finding(**told, state=State.WARNING, expected=f"at most {FULL:.0%} used", cause=cause)
    return fine(AREA, what, f"{seen}, {size(found.needed)} needed by the next backup" if found.needed else seen)


def memory(available: int, total: int) -> Finding:
    """Judge the memory that is left."""
    used = 1 - available / total
    seen = f"{size(available)} free of {size(total)}"
    if used <= MEMORY:
        return fine(AREA, "memory", seen)
    state, cause = (
        (State.PROBLEM, "the kernel is about to end processes") if used > OUT else (State.WARNING, "something takes more and more")
    )
    expected = f"at most {MEMORY:.0%} used"
    return Finding(area=AREA, what="memory", state=state, seen=seen, expected=expected, cause=cause, next="ps aux --sort=-rss | head")


def load(one: float, cores: int) -> Finding:
    """Judge how much work waits for the processors; `one` is the average of the last minute."""
    seen = f"{one:.1f} processes want {cores} core{'s' if cores != 1 else ''}"
    if one <= LOAD * cores:
        return fine(AREA, "load", seen)
    cause = "answers are slow for want of processors"
    expected = f"at most {LOAD * cores:.0f}"
    return Finding(
        area=AREA, what="load", state=State.WARNING, seen=seen, expected=expected, cause=cause, next="ps aux --sort=-pcpu | head"
    )


@dataclass(frozen=True)
class Listener:
    """Who listens on a port; pid 0 where another user's process does, and cannot be seen."""

    pid: int
    name: str


def ports(wanted: Mapping[str, int], heard: Mapping[int, Listener], own: Mapping[str, Collection[int]]) -> list[Finding]:
    """Judge the ports that a stack's programs have; `own` are each one's processes. A port nobody has is told by its service."""
    return [_taken(name, port, heard[port]) for name, port in wanted.items() if port in heard and heard[port].pid not in own[name]] or [
        fine(AREA, "ports", f"{len(wanted)} of the stack, none taken by another")
    ]


def _taken(name: str, port: int, by: Listener) -> Finding:
    who = f"'{by.name}' (pid {by.pid})" if by.pid else "a process of another user"
    cause = f"{who} listens where '{name}' should"
    told = {"seen": f"taken by {who}", "expected": f"'{name}' or nobody", "cause": cause, "next": f"ss -ltnp 'sport = :{port}'"}
    return Finding(area=AREA, what=f"port {port}", state=State.PROBLEM, **told)


def orphans(found: Mapping[int, str], root: str, *, busy: bool) -> list[Finding]:
    """Judge processes that work in a stack's folder and that none of its programs has started; while an update is `busy`, none is lost."""
    if busy or not found:
        return [fine(AREA, "processes", f"none left over in '{root}'")]
    names = ", ".join(f"{pid} ({name})" for pid, name in found.items())
    cause = "whoever started them was killed, and nothing will stop them"
    pids = " ".join(map(str, found))
    told = {"seen": f"left over in '{root}': {names}", "expected": "none", "cause": cause, "next": f"kill {pids}"}
    return [Finding(area=AREA, what="processes", state=State.WARNING, **told)]


def clock(behind: float, most: float = 5.0) -> Finding:
    """Judge how far the machine's clock is from the database server's, in seconds; backups and marks are told apart by times."""
    seen = f"{abs(behind):.1f} s from the database server's"
    if abs(behind) <= most:
        return fine(AREA, "clock", seen)
    cause = "times of backups and marks will not compare"
    told = {"seen": seen, "expected": f"at most {most:g} s", "cause": cause, "next": "timedatectl status"}
    return Finding(area=AREA, what="clock", state=State.WARNING, **told)
