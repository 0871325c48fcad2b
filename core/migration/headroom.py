"""Integer keys near their end: one that is used up refuses every insert until it is widened, which took Basecamp five hours in 2018."""

from __future__ import annotations

from collections.abc import Iterable

from sluice.core.value import Value

# A third of the range is left then: months, at the pace of most tables, and widening a large key takes weeks to prepare.
FULL = 0.7


class Key(Value):
    """A column that a sequence fills: its last value, and the most that column and sequence can hold."""

    table: str
    column: str
    type: str
    sequence: str
    last: int
    most: int

    @property
    def used(self) -> float:
        """Return the share of the range that is used."""
        return self.last / self.most


def tight(keys: Iterable[Key], *, full: float = FULL) -> list[str]:
    """Return a line for each key that is used beyond a share, the fullest first."""
    found = sorted((one for one in keys if one.used > full), key=lambda one: -one.used)
    return [_line(one, full) for one in found]


def _line(one: Key, full: float) -> str:
    where = f"{one.table}.{one.column} ({one.type}) is at {one.last} of {one.most}, {one.used:.0%} and above {full:.0%}"
    return f"{where}: add a bigint column beside it, backfill it, and swap them in a contract"
