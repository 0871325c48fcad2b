"""What killed deployers have left: databases of drills and rehearsals, and backups that were half removed.

Only what surely is a stack's own goes: copies are found by the ids of its backups, never by how a database is called.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from sluice.core.backup.manifest import ID, scratch, trial
from sluice.core.store import Store
from sluice.systems import shelf
from sluice.systems.copy import clear, drop
from sluice.systems.lock import Lock
from sluice.systems.source import SYSTEM


def system(lock: Lock) -> str:
    """Return the server's own number."""
    row = lock.connection.execute(SYSTEM).fetchone()
    return str(row[0]) if row else ""


def sweep(lock: Lock, store: Store, folder: Path, *, owner: str) -> None:
    """Drop every copy that a stack's backups have made, but for that of the newest verified one, which is the restore point."""
    known = shelf.load(folder, database=store.dbname, owner=owner, system=system(lock))
    mine = {scratch(store.dbname, one.id): one for one in known if ID.fullmatch(one.id)}
    point = next((one for one in mine.values() if one.drilled and one.drilled.kept), None)
    clear(lock.connection, *mine, *map(trial, mine))
    for copy, one in mine.items():
        drop(lock.connection, trial(copy))
        if one is not point:
            drop(lock.connection, copy)
    for gone in (folder / store.dbname).glob(f".*{shelf.GONE}"):
        shutil.rmtree(gone, ignore_errors=True)
