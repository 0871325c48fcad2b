"""What going back costs."""

from __future__ import annotations

from sluice.core.restore.loss import SAME, UNCOUNTED, losses, repeats


def test_losses():
    """Each table with another number of rows is told, with both numbers and what becomes of the difference."""
    now = {"public.orders": 5120, "public.notes": 3, "public.new": 7, "public.same": 1}
    saved = {"public.orders": 5000, "public.notes": 5, "public.gone": 2, "public.same": 1}
    assert losses(now, saved) == [
        "table public.gone: comes back with 2 rows, it is not there now",
        "table public.new: is lost with its 7 rows, it was not there then",
        "table public.notes: 2 rows come back, 3 now and 5 then",
        "table public.orders: at least 120 rows are lost, 5120 now and 5000 then",
        UNCOUNTED,
    ]


def test_same():
    """The same numbers are no promise: what is not counted is said all the same."""
    assert losses({"public.same": 1}, {"public.same": 1}) == [SAME, UNCOUNTED]


def test_repeats():
    """A sequence that goes back gives numbers out again; one that stands where the dump saw it, at either end, does not."""
    now = {"a": 12, "b": 11, "c": 3, "new": 5}
    saved = {"a": (10, 10), "b": (10, 11), "c": (3, 3), "gone": (1, 1)}
    assert repeats(now, saved) == ["sequence a: goes back from 12 to 10, numbers in between are given out again"]
