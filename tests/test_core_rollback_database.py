"""Databases on the way back: which revisions code runs with, and how losses are told."""

from __future__ import annotations

from datetime import UTC, datetime

from sluice.core.rollback.database import ahead, fits, loss, missed, then, took, written
from tests.fixtures.past import GOOD, change, past


def test_fits():
    """Code runs with its own revision and those after it up to the first contract."""
    changes = [change("1", at=5), change("2", at=10), change("10", at=20), change("11", "contract", at=30), change("12", at=40)]
    assert (fits(changes, "1"), fits(changes, "11"), fits(changes, "")) == (["1", "2", "10"], ["11", "12"], ["", "1", "2", "10"])


def test_then():
    """A release's revision is what it names, else what was there when it was proven."""
    changes = [change("1", at=5), change("2", at=10), change("10", at=20)]
    record = past("1").record.model_copy(update={"schema_": {}, "at": datetime.fromtimestamp(10, UTC)})
    assert (then(changes, record, "shop"), then([], record, "shop"), then(changes, past("1").record, "shop")) == ("2", "", "1")


def test_missed():
    """Code may need each expand up to its own revision; a contract it has run without."""
    changes = [change("1"), change("2"), change("3", "contract"), change("4")]
    assert [[one.id for one in missed(changes, own, to)] for own, to in (("3", "2"), ("3", "1"), ("2", "3"))] == [[], ["2"], []]


def test_places():
    """Where ids have no order, places do; what has none, as the revision that was there before all of them, comes first."""
    changes = [change("c9", place=1), change("a1", "contract", place=2), change("b5", place=3)]
    assert [[one.id for one in ahead(changes, id)] for id in ("zz", "c9", "b5")] == [["c9", "a1", "b5"], ["a1", "b5"], []]
    assert (fits(changes, "zz"), fits(changes, "a1")) == (["zz", "c9"], ["a1", "b5"])
    assert [one.id for one in missed(changes, "b5", "c9")] == ["b5"]


def test_told():
    """Losses are counted where they can be, and what cannot is said; durations only when all are known."""
    assert (loss(change("2", lost=1)), loss(change("2"))) == ("'2_x': 1 row", "'2_x': an uncounted number of rows")
    assert written(GOOD)[1:3] == ["table public.old: 1 row fewer than in it", "table public.orders: 3 rows more than in it"]
    assert (took([change("1", took=1), change("2", took=2)]), took([change("1", took=1), change("2")]), took([])) == (3, None, None)
