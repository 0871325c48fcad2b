"""Where stacks live on the machine that deploys. Only paths: nothing is imported that a no-change update would pay for."""

from __future__ import annotations

import os
from pathlib import Path

# The file in a stack's folder in which is written down what happens.
JOURNAL = "journal.jsonl"


def home() -> Path:
    """Return the folder of all stacks: SLUICE_HOME, else one that the user of PostgreSQL can pass through, else the user's own."""
    told = os.environ.get("SLUICE_HOME")
    if told:
        return Path(told)
    if os.geteuid() == 0:
        return Path("/var/lib/sluice")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "sluice"


def folder(project: str, stack: str) -> Path:
    """Return the folder of a stack that is given none of its own."""
    return home() / f"{project}-{stack}"


def journal(project: str, stack: str) -> Path:
    """Return where the journal of such a stack is, or would be."""
    return folder(project, stack).expanduser().absolute() / JOURNAL
