"""A row of the history table `sluice_history.migration`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sluice.core.migration.file import Migration, Phase, Way, key, parse
from sluice.core.value import Value

# What is kept of an Alembic revision begins so.
ALEMBIC = "-- alembic: "
State = Literal["running", "applied", "reverting", "failed"]


class Row(Value):
    """One migration in one database; it holds the texts, since an old checkout lacks the way back.

    `total` and `done` count the statements of the direction in `state`; `doing` is the number of one that was sent outside a
    transaction and of which nothing was heard, else 0; `error` is what failed, for people.
    """

    id: str
    name: str
    sha256: str
    phase: Phase
    way: Way
    state: State
    total: int
    done: int
    doing: int = 0
    up: str
    down: str
    error: str = ""
    release: str = ""
    by: str = ""
    begun_at: datetime | None = None
    ended_at: datetime | None = None
    seconds: float | None = None

    @property
    def key(self) -> str:
        """Return what a duration is known by."""
        return key(self.name, self.sha256)

    @property
    def alembic(self) -> bool:
        """Say whether it is of a revision, whose texts are not all of it."""
        return self.up.startswith(ALEMBIC)

    @property
    def migration(self) -> Migration:
        """Read the stored texts."""
        return parse(self.name, self.up, self.down or None)
