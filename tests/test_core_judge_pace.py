"""Is the canary slower than live?"""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.judge.histogram import Histogram
from sluice.core.judge.pace import STAKES, Pace, gain
from sluice.core.judge.wager import ALPHA

BOUNDS = (0.01, 0.1, math.inf)
Look = tuple[Histogram, Histogram]


def of(*counts: int) -> Histogram:
    return Histogram(tuple(zip(BOUNDS, counts, strict=True)))


histograms = st.lists(st.integers(0, 60), min_size=3, max_size=3).map(lambda counts: of(*counts))
looks = st.lists(st.tuples(histograms, histograms), max_size=6)


def after(blocks: list[Look]) -> Pace:
    pace = Pace()
    for live, canary in blocks:
        pace = pace.seen(live, canary)
    return pace


def test_a_slow_canary_is_seen() -> None:
    """A canary whose requests mostly fall into the next bin is proven slower within 60 of its requests."""
    pace = after([(of(60, 30, 0), of(2, 6, 2))] * 6)

    assert pace.p <= ALPHA
    assert pace.effect > 0.7


def test_the_first_look_proves_nothing() -> None:
    """Ranks come from what was seen before, so that one look alone is no evidence."""
    assert after([(of(900, 0, 0), of(0, 0, 100))]).evidence == 1


def test_a_faster_canary_is_no_evidence() -> None:
    """A canary that answers sooner than live loses the stake."""
    assert after([(of(30, 60, 0), of(10, 0, 0))] * 6).evidence < 0.5


def test_a_slow_hour_of_both_is_no_evidence() -> None:
    """When both become slower at once, the canary is not accused, though it had most of the traffic by then."""
    pace = after([(of(90, 0, 0), of(10, 0, 0))] * 3 + [(of(0, 10, 0), of(0, 90, 0))] * 3)

    assert pace.effect > 0.8
    assert pace.p > ALPHA


def test_one_huge_latency_is_one_request() -> None:
    """A single request in the open bin weighs no more than any other that is slower than most."""
    assert after([(of(60, 30, 0), of(6, 3, 0))] * 3 + [(of(60, 30, 0), of(6, 3, 1))]).p > ALPHA


@pytest.mark.parametrize("stake", STAKES)
@pytest.mark.parametrize(("live", "canary"), [(5, 1), (3, 3), (1, 5)])
@pytest.mark.parametrize("slow", [0.0, 0.05, 0.5, 1.0])
def test_a_bet_is_no_gain_on_average(stake: float, live: int, canary: int, slow: float) -> None:
    """By full enumeration: when both sides draw from one distribution, the expectation of every bet is at most 1."""
    scores, chances = [-0.4, 0.1, 0.5], [(1 - slow) * 0.7, (1 - slow) * 0.3, slow]
    expected = 0.0
    for bins in itertools.product(range(3), repeat=live + canary):
        chance = math.prod(chances[bin_] for bin_ in bins)
        sides = [of(*(part.count(bin_) for bin_ in range(3))) for part in (bins[:live], bins[live:])]
        expected += chance * math.exp(gain(stake, scores, *sides))

    assert expected <= 1 + 1e-9


@given(looks)
def test_evidence_is_never_negative(blocks: list[Look]) -> None:
    """Whatever comes in, evidence is finite and at least what is kept back."""
    pace = after(blocks)

    assert 1 / (pace.wager.looks + 1) <= pace.evidence * (1 + 1e-9) < math.inf


@pytest.mark.parametrize("stake", STAKES)
@given(live=histograms, canary=histograms)
def test_no_bet_loses_all(stake: float, live: Histogram, canary: Histogram) -> None:
    """Even the boldest stake on the worst of scores leaves something."""
    assert not (live.total and canary.total) or gain(stake, [-0.5, 0.0, 0.5], live, canary) > -math.inf


@given(looks, st.integers(0, 6))
def test_empty_looks_change_nothing(blocks: list[Look], at: int) -> None:
    """A look at which nothing had come in may happen at any time."""
    assert after([*blocks[:at], (of(0, 0, 0), of(0, 0, 0)), *blocks[at:]]).wager == after(blocks).wager


@given(looks)
def test_one_side_alone_is_no_evidence(blocks: list[Look]) -> None:
    """Without latencies on live nothing is held against the canary."""
    assert after([(Histogram(), canary) for _, canary in blocks]).p == 1


@given(histograms, histograms)
def test_nothing_is_lost_while_one_side_waits(live: Histogram, canary: Histogram) -> None:
    """Latencies of one side wait until the other side has some."""
    start = Pace().seen(of(9, 1, 0), of(1, 0, 0))
    apart = start.seen(of(0, 0, 0), canary).seen(live, of(0, 0, 0))

    assert not (live.total and canary.total) or apart == start.seen(live, canary)


def test_changed_bounds_are_refused() -> None:
    """Two sides that are binned differently cannot be compared."""
    with pytest.raises(ValueError, match=r"^histograms must share their bounds: 3 bins up to inf s against 1 bins up to 1 s$"):
        Pace().seen(of(1, 0, 0), Histogram(((1.0, 1),)))
