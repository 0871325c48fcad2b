"""Latencies in bins."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.judge.histogram import Histogram, quantile, ranks, superiority

BOUNDS = (0.01, 0.1, 1.0, math.inf)
histograms = st.lists(st.integers(0, 50), min_size=4, max_size=4).map(lambda counts: of(*counts))


def of(*counts: int) -> Histogram:
    return Histogram(tuple(zip(BOUNDS, counts, strict=True)))


@pytest.mark.parametrize(
    ("q", "seconds"),
    [(0.0, 0.0), (0.25, 0.005), (0.5, 0.01), (0.75, 0.055), (1.0, 0.1)],
)
def test_a_quantile_lies_inside_its_bin(q: float, seconds: float) -> None:
    """Between the bounds of a bin latencies are taken as evenly spread."""
    assert quantile(of(10, 10, 0, 0), q) == pytest.approx(seconds)


def test_a_quantile_skips_empty_bins() -> None:
    """No latency is invented where nothing was counted."""
    assert quantile(of(1, 0, 1, 0), 0.75) == pytest.approx(0.55)


@pytest.mark.parametrize("empty", [Histogram(), of(0, 0, 0, 0)])
def test_no_latencies_have_no_quantile(empty: Histogram) -> None:
    """An empty histogram has no data, which is not 0 seconds."""
    assert quantile(empty, 0.95) is None


@pytest.mark.parametrize("q", [0.0, 0.5, 1.0])
def test_an_open_bin_has_no_upper_end(q: float) -> None:
    """A quantile above the last bound is above every limit, not at that bound."""
    assert quantile(of(0, 0, 0, 7), q) == math.inf


def test_a_quantile_is_a_share() -> None:
    """A quantile in per cent is found out."""
    with pytest.raises(ValueError, match=r"^a quantile must be between 0 and 1: 95$"):
        quantile(of(1, 0, 0, 0), 95)


@given(histograms, st.floats(0, 1), st.floats(0, 1))
def test_quantiles_ascend(histogram: Histogram, one: float, other: float) -> None:
    """A higher quantile is never a shorter time."""
    low, high = quantile(histogram, min(one, other)), quantile(histogram, max(one, other))

    assert (low is None) == (high is None) == (histogram.total == 0)
    assert low is None or high is None or low <= high


def test_ties_share_a_rank() -> None:
    """All latencies in a bin have the rank of its middle."""
    assert ranks(of(2, 4, 2, 0)) == (0.125, 0.5, 0.875, 1.0)
    assert ranks(of(0, 0, 0, 0)) == (0.5, 0.5, 0.5, 0.5)


def test_superiority_counts_pairs() -> None:
    """Of the four pairs two are slower, one is a tie and one is faster: 2.5 of 4."""
    assert superiority(of(1, 1, 0, 0), of(1, 0, 1, 0)) == pytest.approx(0.625)


@given(histograms, histograms)
def test_superiority_is_even_handed(live: Histogram, canary: Histogram) -> None:
    """Swapped roles give the opposite answer, and it stays between 0 and 1."""
    there, back = superiority(live, canary), superiority(canary, live)

    assert 0 <= there <= 1
    assert there + back == pytest.approx(1)


def test_superiority_without_data_is_even() -> None:
    """Where one side has nothing, neither is slower."""
    assert superiority(Histogram(), of(0, 0, 0, 9)) == 0.5


def test_sums_go_bin_by_bin() -> None:
    """Histograms add up, and one that has no bins yet adds nothing."""
    assert of(1, 2, 3, 4) + of(1, 1, 1, 1) == of(2, 3, 4, 5)
    assert Histogram() + of(1, 2, 3, 4) == of(1, 2, 3, 4) + Histogram() == of(1, 2, 3, 4)


def test_different_bounds_are_refused() -> None:
    """Bins that were cut elsewhere cannot be compared."""
    other = Histogram(((0.5, 1), (2.0, 1)))
    message = "histograms must share their bounds: 4 bins up to inf s against 2 bins up to 2 s"

    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        of(1, 0, 0, 0) + other
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        superiority(of(1, 0, 0, 0), other)


def test_bounds_must_ascend() -> None:
    """Bins in disorder are refused."""
    with pytest.raises(ValueError, match=r"^bounds of a histogram must ascend: 1, 0\.5$"):
        Histogram(((1.0, 1), (0.5, 1)))


def test_counts_are_not_negative() -> None:
    """A difference of counters that went backwards is refused."""
    with pytest.raises(ValueError, match=r"^counts of a histogram must not be negative: -2$"):
        Histogram(((0.5, 1), (1.0, -2)))
