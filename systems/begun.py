"""Restores that were begun from here and not brought to their end, as empty files beside the backups.

Only the server knows what is: a file says that it is worth asking, so that an update that changes nothing need not. What a file is
missing for is found by the next release all the same. Nothing but the standard library: a no-change update imports this.
"""

from __future__ import annotations

from pathlib import Path

# A dot in front: the shelf takes it for no backup.
NAME = ".restoring"


def note(folder: str, database: str) -> None:
    """Say that a restore of a database is about to begin."""
    path = _path(folder, database)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)


def noted(folder: str, database: str) -> bool:
    """Say whether a restore of a database was begun, and neither it nor an update since has come to its end."""
    return _path(folder, database).exists()


def forget(folder: str, database: str) -> None:
    """Say that nothing is left of it."""
    _path(folder, database).unlink(missing_ok=True)


def _path(folder: str, database: str) -> Path:
    return Path(folder) / database / NAME
