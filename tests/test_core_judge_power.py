"""What a step can see."""

from __future__ import annotations

import pytest

from sluice.core.judge.power import POWER, detectable, least, mass
from sluice.core.judge.rates import Counts, Rates
from sluice.core.judge.wager import ALPHA


@pytest.mark.parametrize(("n", "p"), [(1, 0.0), (5, 1.0), (40, 0.3), (900, 0.01)])
def test_masses_sum_to_one(n: int, p: float) -> None:
    """The binomial probabilities are a distribution."""
    assert sum(mass(k, n, p) for k in range(n + 1)) == pytest.approx(1)


def test_least_is_the_edge() -> None:
    """The fewest errors fail the canary and one fewer does not."""
    edge = least(Counts(9, 900), 100, ALPHA, 0.0)

    assert Rates().seen(Counts(9, 900), Counts(edge, 100)).p <= ALPHA < Rates().seen(Counts(9, 900), Counts(edge - 1, 100)).p


def test_more_requests_see_more() -> None:
    """A longer step sees a smaller fault."""
    rates = [detectable(9 * n, n, 0.005) or 1 for n in (100, 500, 2000)]

    assert rates == sorted(rates, reverse=True)
    assert 0.06 < rates[0] < 0.08
    assert 0.01 < rates[-1] < 0.02


def test_a_margin_hides_faults() -> None:
    """What is allowed cannot be seen: the rate found lies above live's and the margin."""
    strict, lenient = (detectable(4500, 500, 0.01, margin=margin) or 1 for margin in (0.0, 0.03))

    assert 0.01 < strict < 0.04 < lenient


def test_too_little_traffic_sees_nothing() -> None:
    """Two requests against two reveal no canary, however bad; without traffic neither."""
    assert detectable(2, 2, 0.0) is None
    assert detectable(0, 100, 0.0) is None
    assert detectable(100, 0, 0.0) is None


def test_errs_on_the_safe_side() -> None:
    """With live at 0 the rate found is, by direct count, the smallest that fails 4 times in 5."""
    rate = detectable(900, 100, 0.0) or 1
    edge = least(Counts(0, 900), 100, ALPHA, 0.0)
    chance = [1 - sum(mass(k, 100, at) for k in range(edge)) for at in (rate, rate - 0.001)]

    assert chance[0] >= POWER > chance[1]
