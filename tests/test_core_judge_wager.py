"""Evidence as money won."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.judge.wager import ALPHA, FALSE_ALARM, Wager

logs = st.floats(min_value=-400, max_value=400)


def test_nothing_seen_is_no_evidence() -> None:
    """Before the first look the stake is whole and the p-value is 1."""
    wager = Wager.on(3)

    assert (wager.evidence, wager.p) == (1.0, 1.0)


def test_half_is_laid_at_the_first_look() -> None:
    """A bet that wins tenfold at the first look wins on its part of the half that was laid; the other half is kept."""
    assert Wager.on(2).grown([math.log(10), math.log(0.5)]).evidence == pytest.approx(0.5 + 0.25 * 10 + 0.25 * 0.5)


def test_the_rest_is_laid_later() -> None:
    """At the second look a sixth joins what the first bet has become, and a third is kept."""
    wager = Wager.on(1).grown([math.log(4)]).grown([math.log(3)])

    assert wager.evidence == pytest.approx((0.5 * 4 + 1 / 6) * 3 + 1 / 3)


def test_late_bets_have_lost_nothing() -> None:
    """After a thousand looks that cost each bet half of its worth, thirty that double it are proof."""
    wager = Wager.on(1)
    for _ in range(1000):
        wager = wager.grown([math.log(0.5)])
    for _ in range(30):
        wager = wager.grown([math.log(2)])

    assert wager.p <= ALPHA


def test_a_look_without_news_is_no_look() -> None:
    """What is kept back is not spent on looks that could win nothing."""
    assert Wager.on(2).grown([0.0, 0.0]) == Wager.on(2)


def test_p_never_rises() -> None:
    """Evidence that once was great is not taken back by later looks."""
    high = Wager.on(1).grown([math.log(99)])
    low = high.grown([math.log(0.001)])

    assert low.evidence < 0.5
    assert low.p == high.p == pytest.approx(0.02)


def test_two_questions_share_the_promise() -> None:
    """Errors and latency together cry wolf at most as often as promised."""
    assert ALPHA * 2 == FALSE_ALARM == 0.05


@given(st.lists(st.tuples(logs, logs), max_size=6))
def test_evidence_is_never_negative(gains: list[tuple[float, float]]) -> None:
    """Whatever is won or lost, evidence is a number from 0 up and p one from 0 to 1, with no overflow."""
    wager = Wager.on(2)
    for gain in gains:
        wager = wager.grown(gain)

        assert 0 <= wager.evidence < math.inf
        assert 0 <= wager.p <= 1
