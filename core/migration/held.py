"""Locks that a transaction holds until it ends, whatever its later statements need: what they take time for is waited for by others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sluice.core.migration.lock import BLOCKS, LEVELS, WAITING, Effect
from sluice.core.value import Value

# A server is through with this in a few hundredths of a second.
TINY = 2**20


class Hold(Value):
    """A lock that statement `number` has taken, by its place in the file from 1 on."""

    table: str
    lock: str
    number: int

    @property
    def blocks(self) -> str:
        """Return what waits meanwhile."""
        return BLOCKS[self.lock]


class Held:
    """The strongest lock of each table so far that others wait for; none outside of a transaction."""

    def __init__(self, *, transactional: bool) -> None:
        self._transactional = transactional
        self._holds: dict[str, Hold] = {}

    def add(self, number: int, taken: Iterable[Effect]) -> None:
        """Keep what a statement has locked."""
        for one in taken if self._transactional else ():
            before = self._holds.get(bare(one.table))
            if one.blocks and (before is None or LEVELS.index(before.lock) < LEVELS.index(one.lock)):
                self._holds[bare(one.table)] = Hold(table=one.table, lock=one.lock, number=number)

    def beyond(self, taken: Sequence[Effect]) -> list[Hold]:
        """Return the locks that stay and block more than a statement does itself."""
        own = {bare(one.table): WAITING.index(one.blocks) for one in taken}
        return [hold for table, hold in self._holds.items() if own.get(table, 0) < WAITING.index(hold.blocks)]

    def on(self, table: str) -> Hold | None:
        """Return the lock on a table."""
        return self._holds.get(bare(table))


def bare(table: str) -> str:
    """Return a table's name without the schema that everybody means."""
    return table.removeprefix("public.")
