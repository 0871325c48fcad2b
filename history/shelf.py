"""What a stack has to go back to: its backups, who needs them, and the databases beside its own."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sluice.core.backup.manifest import Backup, scratch
from sluice.core.diagnosis import data
from sluice.core.errors import Unreachable
from sluice.history.stack import Stack
from sluice.systems import activity, shelf

# The server answers in milliseconds; what is on disk is told without it.
LIMIT = 5.0


def entries(seen: Stack, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the backups of databases as data, newest first; `copy` is the database that its drill has left."""
    there = _there(seen)
    return [_entry(seen, one, there) for one in _load(seen, names)]


def _load(seen: Stack, names: Sequence[str]) -> list[Backup]:
    found = shelf.load(Path(seen.shelf)) if seen.shelf else []
    return [one for one in found if one.manifest.database in names]


def _there(seen: Stack) -> set[str]:
    store = next(iter(seen.stores.values()), None)
    try:
        return set(activity.look(store, [], timeout=LIMIT).sizes) if store else set()
    except Unreachable:
        return set()


def _entry(seen: Stack, one: Backup, there: set[str]) -> dict[str, Any]:
    manifest, copy = one.manifest, scratch(one.manifest.database, one.id)
    return {
        "database": manifest.database,
        "id": one.id,
        "made_at": manifest.made_at,
        "size": manifest.size,
        "revision": manifest.revision,
        "release": manifest.for_release or None,
        "verified_at": one.drilled.at if one.drilled else None,
        "copy": copy if copy in there else None,
        "needed_by": [record.id for record in seen.records if record.backups.get(manifest.database) == one.id],
        "folder": one.folder,
    }


def beside(seen: Stack, names: Sequence[str]) -> list[dict[str, str]]:
    """Return the databases that drills and restores have made beside a stack's own, each with its state and a line.

    A server that does not answer is no reason to hide what is on disk, which may be all that is left.
    """
    store = next(iter(seen.stores.values()), None)
    if store is None:
        return []
    try:
        found = activity.look(store, list(names), timeout=LIMIT)
    except Unreachable as error:
        return [{"state": "unknown", "line": f"{error}: `sluice doctor --stack {seen.pulumi.stack}` looks for the cause"}]
    judged = data.beside(store, names, found.sizes, _load(seen, names), found.asides, time.time())
    return [{"state": one.state.value, "line": one.line} for one in judged]


def torn(seen: Stack, names: Sequence[str]) -> list[str]:
    """Return a sentence for each backup that cannot be read."""
    return [why for name in names for why in shelf.broken(Path(seen.shelf), database=name)] if seen.shelf else []


def check(seen: Stack, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Read each backup again, and yield it with everything that is wrong with it."""
    for one in _load(seen, names):
        problems = shelf.check(seen.stores[one.manifest.database], one)
        yield {"database": one.manifest.database, "id": one.id, "problems": problems}
