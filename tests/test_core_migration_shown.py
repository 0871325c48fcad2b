"""SQL as preview shows it."""

from __future__ import annotations

from sluice.core.migration.file import parse
from sluice.core.migration.shown import MOST, back, stored, turned, up


def test_short():
    """A file is shown statement by statement, as it is written, without its comments."""
    one = parse("0001_a", "-- phase: contract\n-- why\nalter table a\n    drop b;\n\ndrop table c", "create table c (id int)")
    assert up(one) == ["up (0001_a.sql):", "  alter table a", "      drop b;", "  drop table c;"]
    assert back(one, "lossy") == ["way back (0001_a.down.sql), lossy:", "  create table c (id int);"]


def test_no_way():
    """Where there is no way back that is what is said."""
    assert back(parse("0001_a", "select 1"), "restore-only") == ["way back: none but a restore of the backup that is made before"]


def test_long():
    """Of a long file the beginning is shown, and where the rest is; of a stored one, which may have no file, all."""
    text = ";".join(f"select {number}" for number in range(MOST + 3))
    one = parse("0001_a", text, text)
    assert up(one)[-2:] == [f"  select {MOST - 1};", "  ... 3 more lines in 0001_a.sql"]
    assert len(stored(one)) == MOST + 4


def test_turned():
    """A way back is judged as what it is: to undo a contract is to expand, to undo an expand is a contract."""
    contract = parse("0001_a", "-- phase: contract\nalter table a drop b", "alter table a add b int")
    way = turned(contract)
    assert (way.phase, way.forward, turned(way.model_copy(update={"back": contract.forward})).phase) == (
        "expand",
        contract.back,
        "contract",
    )
