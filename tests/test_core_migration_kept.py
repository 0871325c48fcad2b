"""What a history tells of the order of a tree's revisions, without the tree."""

from __future__ import annotations

import pytest

from sluice.core.migration.kept import line
from sluice.core.migration.row import Row


def row(id: str, *needs: str, state: str = "applied") -> Row:
    words = {"name": id, "sha256": "", "phase": "expand", "way": "reversible", "total": 0, "done": 0, "down": ""}
    return Row.model_validate({"id": id, "up": f"-- alembic: {id} revises {','.join(needs) or 'nothing'}\n", "state": state, **words})


LINE = [row("c", "b"), row("a"), row("b", "a")]


@pytest.mark.parametrize("target", ["", "a", "b", "c"])
def test_line(target: str):
    """Each revision names the one before it, whatever order the rows have."""
    found = line(LINE, target)
    assert found
    assert [one.id for one in found] == ["a", "b", "c"]


def test_before_its_history():
    """Of a database that was there before, the revision that the first row follows is known, too; the one before that is not."""
    rows = [row("c", "b"), row("b", "a")]
    assert line(rows, "a") == [rows[1], rows[0]]
    assert line(rows, "x") is None
    assert line([], "") == []


@pytest.mark.parametrize(
    "rows",
    [
        [row("a"), row("b", "a"), row("c", "a")],
        [row("a"), row("b", "a"), row("d", "b", "c")],
        [row("d", "b", "c")],
        # Somebody ran b by hand.
        [row("a"), row("c", "b")],
        [row("a", "b"), row("b", "a")],
    ],
)
def test_no_line(rows: list[Row]):
    """Where revisions branch, join, or one is missing between them, nobody can say what lies beyond a target."""
    assert line(rows, "a") is None
