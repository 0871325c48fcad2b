"""A database of a release: where it is, where its migrations are, and what it should become."""

from __future__ import annotations

from sluice.core.store import Store
from sluice.core.value import Value


class Database(Value):
    """`folder` holds its migrations and `target` is the revision that the release wants; both "" for one that is only saved.

    `known`: the live release had a revision of it, so it cannot be an empty one. `checks`: the team's own SELECTs by name, which its
    backup's restored copy must pass (systems.drill).
    """

    store: Store
    folder: str = ""
    target: str = ""
    known: bool = False
    checks: dict[str, str] = {}

    @property
    def name(self) -> str:
        """Return the database's name."""
        return self.store.dbname
