"""The keeper beside the proxy (sluice.systems.keeper), as a program of supervisord, which starts it again when it dies."""

from __future__ import annotations

from typing import Any

from sluice.runtimes.process.folder import Folder
from sluice.systems import process
from sluice.systems.keeper import file

NAME = "keeper"
# It runs within a second; the rest is a busy machine.
READY = 30.0
# Told to stop it takes back the traffic that it judges, which takes one write and Envoy's answer to it.
GRACE = 10.0


def runs(folder: Folder) -> bool:
    """Say by a local look whether it runs, and can read what it will be told: one of another Sluice may not."""
    return process.owner(folder.pidfile(NAME)) is not None and file.word(folder.front).get("format") == file.FORMAT


def start(folder: Folder, split: dict[str, Any]) -> None:
    """Start it, in the place of one that runs."""
    import json

    from sluice.core.commands.supervisord import Launch
    from sluice.runtimes.process import launch

    argv = ["python", "-m", "sluice.systems.keeper", json.dumps(split, sort_keys=True)]
    launch.start(folder, Launch(name=NAME, argv=argv, folder=str(folder.front), grace=GRACE), probe=None, ready=READY)


def stop(folder: Folder) -> None:
    """Stop it; fine when there is none."""
    from sluice.runtimes.process import launch

    launch.forget(folder, NAME, GRACE)
