"""Who holds a stack's lock: an update that runs, or one that was killed. Only file backends show it."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sluice.core.errors import Refused
from sluice.history.pulumi import Pulumi, place


@contextmanager
def turn(pulumi: Pulumi) -> Iterator[None]:
    """Hold the stack's file while config is written and brought out: of two commands in one folder the second one would have changed
    what the first one is about to release. Refused while another one does; nothing is left behind."""
    own = pulumi.folder / f"Pulumi.{pulumi.short}.yaml"
    handle = os.open(own if own.exists() else pulumi.folder, os.O_RDONLY)
    try:
        _take(handle, pulumi)
        yield
    finally:
        os.close(handle)


def _take(handle: int, pulumi: Pulumi) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        why = f"another `sluice` works on '{pulumi.stack}' from this folder: wait for its end, or end it with `sluice abort`"
        raise Refused([f"{why}; nothing was touched"]) from None


def held(pulumi: Pulumi, backend: str) -> list[str]:
    """Return a sentence for each lock on the stack, with what to do about it."""
    return [said for said, _ in holders(pulumi, backend)]


def holders(pulumi: Pulumi, backend: str) -> list[tuple[str, bool]]:
    """Return for each lock on the stack its sentence, and whether its holder is surely dead."""
    root = place(backend)
    if root is None:
        return []
    locks = (root / ".pulumi" / "locks").rglob("*.json")
    mine = [path for path in locks if path.parent.name == pulumi.short and path.parent.parent.name == pulumi.project]
    return [said for path in sorted(mine) if (said := _said(path, pulumi))]


def _said(path: Path, pulumi: Pulumi) -> tuple[str, bool] | None:
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        # Whoever held it has let go since it was listed.
        return None
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict):
        return f"'{path}' holds the stack: `pulumi cancel --stack {pulumi.stack}` if nobody works on it", False
    pid = found.get("pid")
    who = f"pid {pid} of {found.get('username')} on {found.get('hostname')} holds the stack since {found.get('timestamp')}"
    # Of what is no process nobody can say that it is dead.
    if found.get("hostname") == socket.gethostname() and isinstance(pid, int) and not _alive(pid):
        return f"{who}, and is dead: run `pulumi cancel --yes --stack {pulumi.stack}`", True
    return f"{who}: wait for its end, or end it with `sluice abort --stack {pulumi.stack}`", False


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
