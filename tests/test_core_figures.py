"""What came between two looks at a splitter."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sluice.core.figures import Figures
from sluice.core.judge.histogram import Histogram
from sluice.core.judge.rates import Counts

BEFORE = Figures(100, 5, Histogram(((0.1, 90), (1.0, 10))))


def test_since():
    """Requests, errors and latencies are those that came since."""
    now = Figures(150, 6, Histogram(((0.1, 130), (1.0, 20))))
    assert now.since(BEFORE) == Figures(50, 1, Histogram(((0.1, 40), (1.0, 10))))


def test_restarted():
    """A counter that has gone back was restarted: all that it has is new."""
    fewer, healed = Figures(10, 1, Histogram(((0.1, 10), (1.0, 0)))), Figures(200, 0)
    assert (fewer.since(BEFORE), healed.since(BEFORE)) == (fewer, healed)


def test_counts():
    """An error that was seen before its request is not counted yet."""
    assert (Figures(3, 1).counts, Figures(1, 2).counts) == (Counts(1, 3), Counts(1, 1))


figures = st.builds(
    lambda total, errors, fast, slow: Figures(total, errors, Histogram(((0.1, fast), (1.0, slow)))), *[st.integers(0, 100)] * 4
)


@given(figures, figures)
def test_nothing_is_negative(now: Figures, before: Figures):
    """Whatever two looks show, what came between them is never less than nothing."""
    came = now.since(before)
    assert came.total >= 0
    assert came.errors >= 0
    assert came.latency.total >= 0
