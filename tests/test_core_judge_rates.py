"""Is the canary's error rate worse than live's?"""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.judge.power import mass
from sluice.core.judge.rates import RATIOS, Counts, Rates, gain
from sluice.core.judge.wager import ALPHA


@st.composite
def counts(draw: st.DrawFn, least: int = 0) -> Counts:
    total = draw(st.integers(min_value=least, max_value=500))
    return Counts(draw(st.integers(min_value=0, max_value=total)), total)


Look = tuple[Counts, Counts]
looks = st.lists(st.tuples(counts(), counts()), max_size=8)


def after(blocks: list[Look], **options: float) -> Rates:
    rates = Rates(**options)
    for live, canary in blocks:
        rates = rates.seen(live, canary)
    return rates


def test_no_errors_on_live_some_on_the_canary() -> None:
    """Three errors in 100 requests are enough when live has none in 900; two are not."""
    two, three, six = (Rates().seen(Counts(0, 900), Counts(errors, 100)).p for errors in (2, 3, 6))

    assert (two > ALPHA, three <= ALPHA, six < 2e-5) == (True, True, True)


def test_evidence_grows_over_small_looks() -> None:
    """Errors that come one by one over many looks are added up."""
    rates = after([(Counts(0, 90), Counts(1 if look % 3 == 0 else 0, 10)) for look in range(15)])

    assert rates.canary == Counts(5, 150)
    assert rates.p <= ALPHA


def test_equal_rates_are_no_evidence() -> None:
    """A canary as good as live loses most of what was laid at the first look, which is half."""
    assert Rates().seen(Counts(90, 9000), Counts(10, 1000)).evidence < 0.6


def test_a_drift_on_both_sides_is_no_evidence() -> None:
    """An outage of both during which the canary had most of the traffic is not held against it, though its sum is far worse."""
    rates = after([(Counts(0, 900), Counts(0, 100)), (Counts(30, 100), Counts(270, 900))])

    assert rates.canary.rate > 8 * rates.live.rate
    assert rates.evidence < 1


def test_the_margin_is_allowed() -> None:
    """A canary that is worse by less than the margin is let be; the same counts without a margin fail it."""
    live, canary = Counts(9, 900), Counts(12, 100)

    assert Rates().seen(live, canary).p <= ALPHA
    assert Rates(margin=0.02).seen(live, canary).p <= ALPHA
    assert Rates(margin=0.15).seen(live, canary).p == 1


@pytest.mark.parametrize("margin", [0.0, 0.02])
@pytest.mark.parametrize(("live", "canary"), [(9, 3), (4, 4), (1, 6)])
@pytest.mark.parametrize("base", [0.0, 0.001, 0.05, 0.4, 0.97])
@pytest.mark.parametrize("ratio", RATIOS)
def test_a_bet_is_no_gain_on_average(ratio: float, base: float, live: int, canary: int, margin: float) -> None:
    """By full enumeration: under the null hypothesis the expectation of every bet is at most 1, at the margin and below it."""
    for worse in (0.0, margin / 2, margin):
        expected = sum(
            mass(x, live, base) * mass(y, canary, base + worse) * math.exp(gain(ratio, Counts(x, live), Counts(y, canary), margin=margin))
            for x in range(live + 1)
            for y in range(canary + 1)
        )

        assert expected <= 1 + 1e-9


@given(looks)
def test_evidence_is_never_negative(blocks: list[Look]) -> None:
    """Whatever comes in, evidence is finite and at least 0, and p is between 0 and 1."""
    rates = after(blocks)

    assert 0 <= rates.evidence < math.inf
    assert 0 <= rates.p <= 1


@given(looks, st.integers(min_value=0, max_value=8))
def test_empty_looks_change_nothing(blocks: list[Look], at: int) -> None:
    """A look at which nothing had come in may happen at any time."""
    assert after([*blocks[:at], (Counts(), Counts()), *blocks[at:]]) == after(blocks)


@given(looks)
def test_one_side_alone_is_no_evidence(blocks: list[Look]) -> None:
    """Without requests on live nothing is held against the canary, and the other way round."""
    assert after([(Counts(), canary) for _, canary in blocks]).p == 1
    assert after([(live, Counts()) for live, _ in blocks]).p == 1


@given(counts(1), counts(1))
def test_nothing_is_lost_while_one_side_waits(live: Counts, canary: Counts) -> None:
    """Requests of the canary that came in before live's first are compared as soon as there is something to compare with."""
    apart = Rates().seen(Counts(), canary).seen(live, Counts())

    assert apart == Rates().seen(live, canary)


@given(counts(1), counts(1), st.floats(min_value=0, max_value=0.5))
def test_only_the_worse_can_be_accused(live: Counts, canary: Counts, margin: float) -> None:
    """Evidence above 1 needs a canary with the higher rate, so of two versions at most one is accused in either role."""
    forward, back = Rates(margin=margin).seen(live, canary), Rates(margin=margin).seen(canary, live)

    assert forward.evidence <= 1 or canary.rate > live.rate
    assert forward.evidence <= 1 or back.evidence <= 1


@given(counts(1), st.integers(min_value=1, max_value=300), st.integers(min_value=1, max_value=300))
def test_more_errors_are_more_evidence(live: Counts, total: int, errors: int) -> None:
    """One more error of the canary never speaks for it."""
    errors = min(errors, total)
    fewer, more = (Rates().seen(live, Counts(count, total)).evidence for count in (errors - 1, errors))

    assert more >= fewer


@given(st.sampled_from(RATIOS), st.integers(0, 90), st.integers(0, 10), st.integers(0, 90), st.integers(0, 10))
def test_a_bet_needs_only_the_sums(ratio: float, x: int, y: int, more: int, some: int) -> None:
    """While the split stays it does not matter into how many looks the errors fall."""
    apart = gain(ratio, Counts(x, 90), Counts(y, 10)) + gain(ratio, Counts(more, 90), Counts(some, 10))

    assert apart == pytest.approx(gain(ratio, Counts(x + more, 180), Counts(y + some, 20)))


def test_a_late_fault_is_seen() -> None:
    """A canary that was as good as live for 30,000 requests and then fails 12 % is stopped within 300 more."""
    rates = after([(Counts(9, 900), Counts(1, 100))] * 300)
    late = after([(Counts(9, 900), Counts(12, 100))] * 3)
    for _ in range(3):
        rates = rates.seen(Counts(9, 900), Counts(12, 100))

    assert late.p < rates.p <= ALPHA


def test_impossible_counts_are_refused() -> None:
    """More errors than requests is a fault of whoever counted."""
    with pytest.raises(ValueError, match=r"^counts must be 0 <= errors <= total: 3 errors of 2$"):
        Counts(3, 2)


def test_an_impossible_margin_is_refused() -> None:
    """A margin in per cent instead of a ratio is found out."""
    with pytest.raises(ValueError, match=r"^margin must be at least 0 and below 1, a share of requests: 5$"):
        Rates(margin=5)


def test_imports_nothing_heavy() -> None:
    """The statistics load without pydantic."""
    code = "import sys, sluice.core.judge.rates, sluice.core.judge.pace, sluice.core.judge.power; sys.exit('pydantic' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
