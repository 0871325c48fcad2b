"""Who acts, as this machine knows it."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
from pathlib import Path

from sluice.core.journal import Actor, actor


def here(folder: Path) -> Actor:
    """Return who runs this process, and from which commit of the program in that folder."""
    return actor(user(), socket.gethostname(), os.environ, commit(folder))


def user() -> str:
    """Return the user: a name, or a number where there is none (containers)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def commit(folder: Path) -> str | None:
    """Return the commit of the program that is here; None outside a repository, and where there is no git."""
    try:
        asked = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=False)
    except OSError:
        # As in many images that only deploy. Whoever takes traffic back must not end here.
        return None
    return asked.stdout.strip() or None if asked.returncode == 0 else None
