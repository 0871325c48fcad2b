"""From evidence to a verdict."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.judge.histogram import Histogram
from sluice.core.judge.pace import Pace
from sluice.core.judge.rates import Counts, Rates
from sluice.core.judge.rule import errors, latency
from sluice.core.judge.wager import MINIMUM
from sluice.core.verdict import Outcome, Severity, Verdict


def binned(fast: int, medium: int, slow: int) -> Histogram:
    return Histogram(((0.01, fast), (0.1, medium), (1.0, slow)))


def paced(live: Histogram, canary: Histogram, looks: int) -> Pace:
    pace = Pace()
    for _ in range(looks):
        pace = pace.seen(live, canary)
    return pace


def test_worse_fails() -> None:
    """A canary with errors where live has none fails, with both rates and the p-value in the sentence."""
    verdict = errors("web: errors", Rates().seen(Counts(0, 900), Counts(6, 100)), severity=Severity.P1)

    text = "web: errors: 6.00 % (6 of 100) against live's 0.00 % (0 of 900), worse (p 1.8e-05)"
    assert verdict == Verdict.of("web: errors", Outcome.FAILED, text, Severity.P1)


def test_a_margin_is_named() -> None:
    """The sentence says what was allowed."""
    verdict = errors("web: errors", Rates(margin=0.02).seen(Counts(9, 900), Counts(12, 100)))

    assert verdict.text == "web: errors: 12.00 % (12 of 100) against live's 1.00 % (9 of 900), worse by more than 2 % (p 0.0058)"


def test_strong_evidence_needs_no_minimum() -> None:
    """Ten failures in ten requests against a healthy live stop a canary before it has enough samples to pass."""
    assert errors("web: errors", Rates().seen(Counts(0, 90), Counts(10, 10))).outcome is Outcome.FAILED


def test_not_worse_passes() -> None:
    """Enough requests and no evidence is a pass that says so."""
    verdict = errors("web: errors", Rates().seen(Counts(9, 900), Counts(1, 100)))

    text = "web: errors: 1.00 % (1 of 100) against live's 1.00 % (9 of 900), not shown to be worse (p 1)"
    assert verdict == Verdict.of("web: errors", Outcome.PASSED, text)


@pytest.mark.parametrize(
    ("live", "canary", "text"),
    [
        (900, 99, "web: errors: 99 of at least 100 samples of the canary"),
        (40, 100, "web: errors: 40 of at least 100 samples of live"),
    ],
)
def test_few_samples_are_inconclusive(live: int, canary: int, text: str) -> None:
    """Either side may have too little to say."""
    verdict = errors("web: errors", Rates().seen(Counts(0, live), Counts(0, canary)))

    assert (verdict.outcome, verdict.text) == (Outcome.INCONCLUSIVE, text)


@given(st.integers(0, 2000), st.integers(0, 2000))
def test_little_data_never_passes(live: int, canary: int) -> None:
    """Without the minimum on both sides there is no pass, for errors as for latency."""
    enough = min(live, canary) >= MINIMUM
    rates = Rates().seen(Counts(0, live), Counts(0, canary))
    pace = Pace().seen(binned(live, 0, 0), binned(canary, 0, 0))

    assert errors("errors", rates).passed == latency("latency", pace).passed == enough


def test_no_data_never_passes() -> None:
    """Nothing seen at all is inconclusive."""
    assert errors("errors", Rates()).outcome is Outcome.INCONCLUSIVE
    assert latency("latency", Pace()).outcome is Outcome.INCONCLUSIVE


def test_slower_fails() -> None:
    """A canary that is slower in most pairs fails."""
    verdict = latency("web: pace", paced(binned(60, 30, 0), binned(2, 6, 2), 10))

    text = "web: pace: slower than live in 77 of 100 pairs, 60 matter, proven (p 2.6e-12, 100 requests against 900)"
    assert verdict == Verdict.of("web: pace", Outcome.FAILED, text)


@pytest.mark.parametrize("minimum", [1, 10, MINIMUM])
def test_slow_by_few_requests_is_no_verdict_yet(minimum: int) -> None:
    """Proof by fewer requests than the judge's own minimum neither fails nor passes, however few config asks for; more settle it."""
    few = paced(binned(60, 30, 0), binned(2, 6, 2), 9)
    told = Verdict.of("web: pace", Outcome.INCONCLUSIVE, "web: pace: 90 of at least 100 samples of the canary")
    assert latency("web: pace", few, minimum=minimum) == told
    slow, fast = (few.seen(binned(60, 30, 0), canary) for canary in (binned(2, 6, 2), binned(300, 0, 0)))
    assert latency("web: pace", slow, minimum=minimum).outcome is Outcome.FAILED
    assert latency("web: pace", fast, minimum=minimum).outcome is Outcome.PASSED


def test_a_small_slowdown_is_let_be() -> None:
    """With enough traffic any slowdown is proven; one that is too small to matter passes."""
    verdict = latency("web: pace", paced(binned(60, 30, 0), binned(53, 37, 0), 40))

    assert verdict.outcome is Outcome.PASSED
    assert verdict.text.startswith("web: pace: slower than live in 54 of 100 pairs, 60 matter, proven (p ")


def test_a_large_effect_without_proof_is_let_be() -> None:
    """What looks slow may be chance: the first look proves nothing."""
    verdict = latency("web: pace", paced(binned(900, 0, 0), binned(0, 100, 0), 1))

    text = "web: pace: slower than live in 100 of 100 pairs, 60 matter, not proven (p 1, 100 requests against 900)"
    assert verdict == Verdict.of("web: pace", Outcome.PASSED, text)
