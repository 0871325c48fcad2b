"""A database of a release: where it is, where its migrations are, and what it should become."""

from __future__ import annotations

from typing import Literal

from sluice.core.migration.alembic import Alembic
from sluice.core.store import Store
from sluice.core.value import Value

# How far a release may go back: what its code cannot run with, or all that is newer than its revision.
Downgrade = Literal["needed", "exact"]


class Database(Value):
    """`folder` holds its migrations, or `alembic` is their tree; `target` is the revision that the release wants. Without these it is
    only saved.

    `known`: the live release had a revision of it, so it cannot be an empty one. `checks`: the team's own SELECTs by name, which its
    backup's restored copy must pass (systems.drill); `agreed`: SELECTs that come to the same in the copy of each other database that has
    one of that name. `downgrade` and `lossy` (ids) are what config allows this release on the way to an
    older revision.
    """

    store: Store
    folder: str = ""
    alembic: Alembic | None = None
    target: str = ""
    known: bool = False
    checks: dict[str, str] = {}
    agreed: dict[str, str] = {}
    downgrade: Downgrade | None = None
    lossy: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the database's name."""
        return self.store.dbname
