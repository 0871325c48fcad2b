"""Ports: given once to a name, kept in the stack's folder, and given anew when a stranger took one."""

from __future__ import annotations

import json
import socket
from hashlib import sha256

from sluice.core.errors import RuntimeFailed
from sluice.runtimes.process.folder import Folder
from sluice.systems import files, runner

# Below the ephemeral ports of Linux (32768) and macOS (49152): no client's socket is ever there by chance.
FIRST, COUNT = 20_000, 10_000


def allocate(folder: Folder, name: str) -> int:
    """Return the port of a program that does not run: its own while it is free, else the next that is."""
    with files.lock(folder.root / "run" / "ports.lock"):
        table = known(folder)
        taken = {port for other, port in table.items() if other != name}
        for port in _wanted(folder, name, table.get(name)):
            if port not in taken and free(port):
                _keep(folder, table | {name: port})
                return port
    last = FIRST + COUNT - 1
    raise RuntimeFailed(f"no port of 127.0.0.1 from {FIRST} to {last} is free: end what listens there, then `pulumi up`")


def release(folder: Folder, name: str) -> None:
    """Give a name's port back."""
    with files.lock(folder.root / "run" / "ports.lock"):
        _keep(folder, {other: port for other, port in known(folder).items() if other != name})


def known(folder: Folder) -> dict[str, int]:
    """Return the ports by name."""
    return files.read(folder.root / "run" / "ports.json") or {}


def free(port: int) -> bool:
    """Say whether a server could listen on a port of the loopback now: some systems let two, so it is asked as well."""
    return runner.free(port) and not accepts(port)


def accepts(port: int) -> bool:
    """Say whether somebody accepts connections on a port of the loopback."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wanted(folder: Folder, name: str, own: int | None) -> list[int]:
    """Return the ports to try in order: the own one, then from a place that depends on stack and name alone."""
    begin = int(sha256(f"{folder.root}:{name}".encode()).hexdigest()[:8], 16)
    return ([own] if own else []) + [FIRST + (begin + step) % COUNT for step in range(COUNT)]


def _keep(folder: Folder, table: dict[str, int]) -> None:
    files.write(folder.root / "run" / "ports.json", json.dumps(table, indent=1, sort_keys=True) + "\n")
