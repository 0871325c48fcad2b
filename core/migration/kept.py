"""The order of a tree's revisions by a database's history alone, for whoever does not have the tree."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.core.migration.revision import revises
from sluice.core.migration.row import Row


def line(rows: Sequence[Row], target: str) -> list[Row] | None:
    """Return rows in the order of their revisions; None where they branch, have a gap, or do not reach the target ("" is any)."""
    needs = {row.id: revises(row.up) or () for row in rows}
    after: dict[str, list[Row]] = {}
    for row in rows:
        after.setdefault(",".join(needs[row.id]), []).append(row)
    starts = [key for key in after if key not in needs]
    if len(starts) != 1 or "," in starts[0]:
        return None if rows else []
    found, at = [], starts[0]
    while len(next := after.get(at, [])) == 1:
        found.append(next[0])
        at = next[0].id
    known = {starts[0], *(row.id for row in found)}
    return found if len(found) == len(rows) and (not target or target in known) else None
