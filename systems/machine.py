"""The machine under a stack, for `core.diagnosis`: its disks, memory, ports, and processes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import psutil

from sluice.core.diagnosis.machine import Disk, Listener
from sluice.systems import process


def disks(places: Mapping[str, tuple[str, int]]) -> list[Disk]:
    """Return the file systems of places, each once: by purpose the path, and the bytes that are going to be needed there."""
    found: dict[int, list[tuple[str, Path, int]]] = {}
    for purpose, (path, needed) in places.items():
        here = existing(Path(path))
        found.setdefault(here.stat().st_dev, []).append((purpose, here, needed))
    return [_disk(some) for some in found.values()]


def existing(path: Path) -> Path:
    """Return a path, or the nearest folder above it that is there and may be looked at."""
    return next(place for place in (path.absolute(), *path.absolute().parents) if os.access(place, os.F_OK))


def _disk(some: Sequence[tuple[str, Path, int]]) -> Disk:
    path = some[0][1]
    facts = os.statvfs(path)
    return Disk(
        path=str(path),
        purposes=[purpose for purpose, *_ in some],
        free=facts.f_bavail * facts.f_frsize,
        # As `df`: what is kept for root is neither free nor used.
        size=(facts.f_blocks - facts.f_bfree + facts.f_bavail) * facts.f_frsize,
        needed=sum(needed for _, _, needed in some),
        nodes=facts.f_favail if facts.f_files else None,
    )


def memory() -> tuple[int, int]:
    """Return the bytes of memory that are available, and all there are."""
    found = psutil.virtual_memory()
    return int(found.available), int(found.total)


def load() -> tuple[float, int]:
    """Return the load of the last minute, and how many cores there are."""
    return os.getloadavg()[0], os.cpu_count() or 1


def listeners(ports: Iterable[int]) -> dict[int, Listener]:
    """Return who listens on each of these TCP ports; where the machine does not say, nobody is known."""
    wanted, found = set(ports), dict[int, Listener]()
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return found
    for one in connections:
        if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port in wanted:
            found[one.laddr.port] = Listener(one.pid or 0, _name(one.pid))
    return found


def _name(pid: int | None) -> str:
    try:
        return str(psutil.Process(pid).name()) if pid else ""
    except psutil.Error:
        return ""


def family(pidfile: Path) -> list[int]:
    """Return the process that wrote a pidfile, and all that it has started; none when it is gone."""
    return [one.pid for one in process.tree(process.owner(pidfile))]


def strays(root: Path, pidfiles: Iterable[Path]) -> dict[int, str]:
    """Return the processes, by their numbers, that work in a folder or below it and that no pidfile's process has started.

    First who is there, then who started it: a server's child that is born in between would otherwise be nobody's.
    """
    place = str(root.resolve())
    found = [one for one in psutil.process_iter(["cwd", "name"]) if f"{one.info['cwd'] or ''}/".startswith(f"{place}/")]
    known = {os.getpid(), *(pid for pidfile in pidfiles for pid in family(pidfile))}
    return {one.pid: str(one.info["name"]) for one in found if one.pid not in known and process.alive(one)}


def mode(path: Path) -> int | None:
    """Return the permission bits of a file; None when it is not there."""
    try:
        return path.stat().st_mode & 0o777
    except OSError:
        return None
