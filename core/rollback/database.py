"""A database on the way back: what it is, what may become of it, and which revisions code runs with."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import takewhile

from sluice.core.migration.file import Phase, Way
from sluice.core.rank import Rank, rank
from sluice.core.record import Record
from sluice.core.value import Value


class Action(StrEnum):
    """What is done, from the least to the most; a plan is as much as its database that takes most."""

    NOTHING = "nothing"
    CODE = "code only"
    DOWNGRADE = "code + downgrade"
    RESTORE = "restore"
    REFUSE = "refuse"


RANK = tuple(Action)


class Change(Value):
    """A migration that a database has, since `at` (seconds since the epoch). `lost` is how many rows its way back would lose, None when
    nobody has counted them; `half` says that it, or its way back, has not come to its end; `took` is how long it ran, in seconds; `place`
    where it is in a tree whose ids have no order, from 1 on."""

    id: str
    name: str
    phase: Phase
    way: Way
    at: float = 0.0
    lost: int | None = None
    half: bool = False
    took: float | None = None
    place: int | None = None


class Saved(Value):
    """A backup on the shelf. `written` is how many rows more each table has now, those with fewer below zero: updates and rows that
    were replaced are in no count. `problems` is what is wrong with it, `spoiled` with the copy of it that is there, which would take the
    database's place; `took` how long its drill restored it, in seconds."""

    id: str
    revision: str
    made_at: float
    verified: bool
    written: dict[str, int] = {}
    problems: list[str] = []
    spoiled: list[str] = []
    took: float | None = None

    @property
    def good(self) -> bool:
        """Say whether it may be relied on."""
        return self.verified and not self.problems

    @property
    def bad(self) -> str:
        """Say why it may not be."""
        return f"'{self.id}': {self.problems[0] if self.problems else 'was never restored'}"


class Database(Value):
    """A database as it is: its revision, the migrations that it has, and its backups, newest first."""

    name: str
    revision: str
    changes: list[Change] = []
    backups: list[Saved] = []


class Step(Value):
    """What becomes of one database. `loses` are sentences; `lossy` the ids among `migrations` that lose; `exact`: expands go too, once
    the newer code is gone; `refuse`: nobody may write from the start; `seconds` is what it should take by earlier runs."""

    database: str
    action: Action
    revision: str
    target: str
    migrations: list[str] = []
    lossy: list[str] = []
    exact: bool = False
    backup: str = ""
    refuse: bool = False
    loses: list[str] = []
    seconds: float | None = None
    why: str


def order(changes: Sequence[Change], id: str) -> Rank:
    """Return what revisions of a database are ordered by: their numbers, or their places; one without a place is before all others."""
    places = {one.id: one.place for one in changes if one.place is not None}
    return ((0, places.get(id, 0), ""),) if places else rank(id)


def ahead(changes: Sequence[Change], revision: str) -> list[Change]:
    """Return the changes beyond a revision, in order."""
    found = [one for one in changes if order(changes, one.id) > order(changes, revision)]
    return sorted(found, key=lambda one: order(changes, one.id))


def then(changes: Sequence[Change], record: Record, database: str) -> str:
    """Return the revision that a database had when a release was proven: the one that it names, else by time; "" before any."""
    before = [one.id for one in changes if one.at <= record.at.timestamp()]
    return record.schema_.get(database) or max(before, key=lambda id: order(changes, id), default="")


def fits(changes: Sequence[Change], revision: str) -> list[str]:
    """Return the revisions that code made for one of them runs with: that one, and those after it by expands alone."""
    return [revision, *(one.id for one in takewhile(lambda one: one.phase == "expand", ahead(changes, revision)))]


def missed(changes: Sequence[Change], own: str, revision: str) -> list[Change]:
    """Return what keeps code made for `own` from running with an older revision: the expands between them, which it may need. Contracts
    it has run without before they came."""
    beyond = ahead(changes, own)
    return [one for one in ahead(changes, revision) if one not in beyond and one.phase == "expand"]


def written(backup: Saved) -> list[str]:
    """Say what is lost with a backup, as far as it can be counted."""
    more = sorted((name, count) for name, count in backup.written.items() if count)
    counted = [f"table {name}: {rows(abs(count))} {'more' if count > 0 else 'fewer'} than in it" for name, count in more]
    return ["everything written since the backup", *counted, "changed and replaced rows: uncounted"]


def loss(change: Change) -> str:
    """Say what undoing one migration loses."""
    return f"'{change.name}': {rows(change.lost)}" if change.lost is not None else f"'{change.name}': an uncounted number of rows"


def took(changes: Sequence[Change]) -> float | None:
    """Return how long migrations took forward, together; None unless all are known."""
    known = [one.took for one in changes if one.took is not None]
    return sum(known) if changes and len(known) == len(changes) else None


def rows(count: int) -> str:
    """Write a number of rows."""
    return f"{count} row{'' if count == 1 else 's'}"


def named(names: Sequence[str]) -> str:
    """Write names."""
    return ", ".join(f"'{name}'" for name in names)
