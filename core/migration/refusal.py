"""Why a migration may not run, or go back: the same sentences for SQL files and for Alembic revisions."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sluice.core.migration.file import Migration, Way
from sluice.core.migration.row import Row

One = Row | Migration


def newer(one: One, target: str) -> str:
    """Refuse to run what wants an older revision on a database that has this."""
    why = f"the database has '{one.name}', newer than '{target}', whose record does not say that it runs with it"
    return f"{why}: release a revision from '{one.id}' on"


def stays(one: One, target: str) -> str:
    """Say that this does not keep older code from running."""
    return f"stays: '{one.name}' is newer than '{target}', which is said to run with it"


def late(contract: Migration, one: Migration) -> str:
    """Refuse an expand that comes after a contract, which waits until old code is gone."""
    why = f"'{one.name}' cannot expand before '{contract.name}', a contract, which waits until old code is gone"
    return f"{why}: release '{contract.id}' first, and '{one.id}' after it has settled"


def waits(left: Sequence[Migration]) -> list[str]:
    """Say what is left for settle."""
    return [f"waits for settle: {', '.join(one.name for one in left)}"] if left else []


def unproven(one: Migration) -> str:
    """Refuse to settle what has not expanded."""
    return f"'{one.name}' is an expand that has not run, so no new code can have proven itself on it: expand first"


def lost(one: One, way: Way, allowed: Collection[str]) -> str:
    """Return why nobody may go back from it; "" when one may."""
    if way == "restore-only":
        return f"'{one.name}' has no way back but a restore: release a revision from '{one.id}' on, or restore a backup made before it"
    if way == "lossy" and one.id not in allowed:
        return f"going back from '{one.name}' loses data: allow it by name ('{one.id}'), or release a revision from '{one.id}' on"
    return ""


def buried(expands: Sequence[One], target: str) -> list[str]:
    """Refuse a way back around older code when one of its contracts is below an expand, which can only go once the newer code is gone."""
    contract = next((one for one in expands if one.phase == "contract"), None)
    if not contract:
        return []
    why = f"'{contract.name}' goes back before the older code comes, and '{expands[0].name}' after it only once newer code is gone"
    return [f"{why}: go back to exactly '{contract.id}' first, and to '{target}' after that has settled"]


def early(contracts: Sequence[One]) -> list[str]:
    """Refuse to settle while a contract is there that older code does not run with."""
    return [f"'{one.name}' is a contract, and goes back before the older code comes: expand first" for one in contracts[:1]]
