"""Whether there is room for backups."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from sluice.core.backup.room import Room
from sluice.core.store import Store
from sluice.systems.machine import existing
from sluice.systems.source import reading

MIB = 2**20


def short(stores: Sequence[Store], room: Room) -> list[str]:
    """Return why backups of all of these databases cannot be made one beside the other; a folder that is not there yet will be on the
    disk of the one above it."""
    sizes = {}
    for store in stores:
        with reading(store, "backup") as source:
            sizes[store.dbname] = source.size
    return tight(Path(room.folder), room.wanted(sum(sizes.values())), f" for {', '.join(sizes)}") if sizes else []


def tight(home: Path, wanted: int, what: str = "") -> list[str]:
    """Return why a folder has no room for so many bytes."""
    free = shutil.disk_usage(existing(home)).free
    if free >= wanted:
        return []
    why = f"'{home}' has {free / MIB:.0f} MiB free, {wanted / MIB:.0f} MiB are wanted{what}"
    return [f"{why}: prune backups, or name another folder"]
