"""The machine that deploys: what it lacks."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from sluice.core.requirement import Requirement

MIB = 2**20


def lacks(requirement: Requirement) -> list[str]:
    """Return one line for each thing that is not there, with what to do about it."""
    return [
        *_disk(requirement.disk_free_bytes),
        *_memory(requirement.memory_free_bytes),
        *(f"port {port} is taken: run: ss -ltnp 'sport = :{port}'" for port in requirement.ports_free if not free(port)),
        *(f"variable {name} is not set: run: export {name}=..." for name in requirement.variables if not os.environ.get(name)),
        *(f"executable '{name}' is not on PATH: install it" for name in requirement.executables if not shutil.which(name)),
        *_absent(requirement.servers),
        *_uncommitted(requirement.committed),
        *_unfit(requirement),
    ]


def _absent(servers: dict[str, str]) -> list[str]:
    """Greet all servers at once: one that does not answer keeps nobody waiting for the others."""
    if not servers:
        return []
    from sluice.systems.crowd import crowd
    from sluice.systems.greet import absent

    with crowd(len(servers)) as pool:
        return [why for found in pool.map(lambda one: list(absent(*one)), servers.items()) for why in found]


def _uncommitted(folders: dict[str, list[str]]) -> Iterator[str]:
    if folders:
        from sluice.systems.commit import uncommitted

        for folder, besides in folders.items():
            yield from uncommitted(folder, besides)


def _unfit(requirement: Requirement) -> list[str]:
    from sluice.systems import docker_fit

    return docker_fit.lacks(requirement.engine, requirement.images)


def _disk(wanted: dict[str, int]) -> Iterator[str]:
    for path, least in wanted.items():
        free = shutil.disk_usage(_existing(Path(path))).free
        if free < least:
            yield f"disk at '{path}' has {free // MIB} MiB free of {_mib(least)} needed: free some space"


def _existing(path: Path) -> Path:
    return next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())


def _memory(least: int) -> Iterator[str]:
    import psutil

    free = psutil.virtual_memory().available
    if free < least:
        yield f"memory has {free // MIB} MiB free of {_mib(least)} needed: stop something"


def _mib(size: int) -> str:
    return f"{-(-size // MIB)} MiB"


def free(port: int) -> bool:
    """Say whether a server could listen on a port of the loopback now."""
    with socket.socket() as probe:
        # As a server would: a port whose last owner has just gone is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
