"""Four verdicts, not two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.verdict import Outcome, Severity, Verdict, worst

PASSED, FAILED, INCONCLUSIVE, ERRORED = (
    Verdict.of(outcome, outcome, outcome) for outcome in (Outcome.PASSED, Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.ERRORED)
)


def test_only_a_pass_passes():
    """Neither a lack of data nor a question that could not be put lets a release go on."""
    assert [one.passed for one in (PASSED, FAILED, INCONCLUSIVE, ERRORED)] == [True, False, False, False]


@pytest.mark.parametrize(
    ("verdicts", "outcome"),
    [
        ([], Outcome.INCONCLUSIVE),
        ([PASSED, PASSED], Outcome.PASSED),
        ([PASSED, INCONCLUSIVE], Outcome.INCONCLUSIVE),
        ([INCONCLUSIVE, ERRORED], Outcome.ERRORED),
        ([ERRORED, FAILED, PASSED], Outcome.FAILED),
    ],
)
def test_worst(verdicts: list[Verdict], outcome: Outcome):
    """A failure outranks an error, an error a lack of data, and nothing asked is a lack of data."""
    assert worst(verdicts) is outcome


@given(st.lists(st.sampled_from([PASSED, FAILED, INCONCLUSIVE, ERRORED])))
def test_passed_takes_all(verdicts: list[Verdict]):
    """All together pass only when there is one and each passes, in whatever order they come."""
    assert (worst(verdicts) is Outcome.PASSED) == (bool(verdicts) and all(one.passed for one in verdicts))
    assert worst(verdicts) is worst(verdicts[::-1])


def test_severities_sort():
    """The most severe comes first, by its own name."""
    assert sorted([Severity.P3, Severity.P0, Severity.P2, Severity.P1]) == [Severity.P0, Severity.P1, Severity.P2, Severity.P3]
