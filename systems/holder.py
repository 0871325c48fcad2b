"""Who holds a lock on a file (flock): the kernel keeps that in /proc/locks, on Linux alone."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

LOCKS = Path("/proc/locks")


def said(handle: int, path: Path) -> str:
    """Say who holds the lock of an open file, and what to type about it."""
    pid = find(handle)
    if pid is None:
        return f"`fuser -v {shlex.quote(str(path))}` shows who holds it; let that end, then try again"
    if _stopped(pid):
        return f"pid {pid} holds it, and is stopped: `kill -CONT {pid}` lets it go on, `kill -9 {pid}` ends it; then try again"
    return f"pid {pid} holds it: see `ps -fp {pid}`, wait for its end or end it, then try again"


def find(handle: int) -> int | None:
    """Return the process that holds the lock of an open file; None when nobody does, or it cannot be known: on another system, or from
    another container than the holder's."""
    facts = os.fstat(handle)
    place = f"{os.major(facts.st_dev):02x}:{os.minor(facts.st_dev):02x}:{facts.st_ino}"
    # `1: FLOCK  ADVISORY  WRITE 5742 fe:00:10002736 0 EOF`; whoever waits has an arrow before the kind.
    rows = [line.split() for line in _read(LOCKS).splitlines()]
    pids = [int(row[4]) for row in rows if len(row) > 5 and row[1] == "FLOCK" and row[5] == place]
    return next((pid for pid in pids if pid > 0), None)


def _stopped(pid: int) -> bool:
    # The name before the state may hold anything but ends with the last bracket.
    return _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()[:1] in (["T"], ["t"])


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
