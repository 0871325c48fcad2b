"""How much time a way back has left, by the journal. Little is imported: `doctor` and `status` ask in passing."""

from __future__ import annotations

from pathlib import Path

from sluice.core.errors import Unreachable
from sluice.core.rollback.deadline import Deadline, due
from sluice.history.stack import Stack
from sluice.systems import journal


def deadline(seen: Stack) -> Deadline | None:
    """Return the deadline of a way back that is under way, whoever has begun it; None where there is none, or nobody knows."""
    path = seen.outputs.get("journal")
    if not path:
        return None
    try:
        events, _ = journal.read(Path(path))
    except Unreachable:
        return None
    return due(events, seen.configured, seen.live)
