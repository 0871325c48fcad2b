"""The decision matrix and the severities: each row of the runbooks, and what becomes of several at once."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sluice.core.errors import Refused
from sluice.core.rollback.symptom import MATRIX, Scope, Severity, Symptom, Trouble, read, widest, worst


@pytest.mark.parametrize(
    ("trouble", "severity", "scope"),
    [
        ("migration", None, Scope.DATABASE),
        ("artifact", None, Scope.NOTHING),
        ("service", None, Scope.SERVICES),
        ("health", None, Scope.FULL),
        ("smoke", None, Scope.NOTHING),
        ("smoke", "P1", Scope.FULL),
        ("smoke", "P0", Scope.FULL),
        ("performance", None, Scope.SERVICES),
        ("performance", "P3", Scope.NOTHING),
        ("corruption", None, Scope.RESTORE),
    ],
)
def test_matrix(trouble: str, severity: str | None, scope: Scope):
    """Runbook 002: migration, build, start, health, smoke by severity, performance, corruption."""
    assert Symptom.read({"trouble": trouble, "severity": severity}).scope is scope


@pytest.mark.parametrize(
    ("trouble", "rate", "severity", "within"),
    [
        ("down", None, Severity.P0, 180.0),
        ("corruption", None, Severity.P0, 180.0),
        ("security", None, Severity.P0, 180.0),
        ("feature", None, Severity.P1, 900.0),
        ("sync", None, Severity.P1, 900.0),
        ("errors", 0.11, Severity.P1, 900.0),
        ("errors", 0.10, Severity.P2, 3600.0),
        ("errors", 0.06, Severity.P2, 3600.0),
        ("errors", 0.05, Severity.P3, None),
        ("performance", None, Severity.P2, 3600.0),
        ("minor", None, Severity.P3, None),
    ],
)
def test_severity(trouble: str, rate: float | None, severity: Severity, within: float | None):
    """Runbook 004: P0 at once (in 3 minutes), P1 within 15 minutes, P2 within an hour, P3 with the next release."""
    seen = Symptom.read({"trouble": trouble, "rate": rate})
    assert (seen.level, seen.level.within) == (severity, within)


def test_rate():
    """5 % of errors and less is nothing to go back for, more is; a rate says nothing about other troubles."""
    assert Symptom(trouble=Trouble.ERRORS, rate=0.05).scope is Scope.NOTHING
    assert Symptom(trouble=Trouble.ERRORS, rate=0.051).scope is Scope.FULL
    with pytest.raises(ValidationError, match="a rate is for 'errors' alone"):
        Symptom(trouble=Trouble.SMOKE, rate=0.5)


def test_several():
    """The widest scope and the worst severity count; without a symptom it is a wish, and in full."""
    seen = [Symptom(trouble=Trouble.PERFORMANCE), Symptom(trouble=Trouble.HEALTH), Symptom(trouble=Trouble.MINOR)]
    assert (widest(seen), worst(seen)) == (Scope.FULL, Severity.P1)
    assert (widest([]), worst([])) == (Scope.FULL, None)


def test_texts():
    """A symptom is told with what it asks for."""
    text = "requests fail (12.5% of them): P1, go back within 15 minutes"
    assert Symptom(trouble=Trouble.ERRORS, rate=0.125).text == text
    assert set(MATRIX) == set(Trouble)


def test_read():
    """What people say is read, and everything that is wrong with it told at once."""
    seen = read(["errors", "sync"], 0.2, "P0")
    assert [(one.trouble, one.rate, one.level) for one in seen] == [(Trouble.ERRORS, 0.2, Severity.P0), (Trouble.SYNC, None, Severity.P0)]
    with pytest.raises(Refused) as refused:
        read(["fire"], 2.0, "P9")
    assert refused.value.reasons == [
        f"--symptom fire: known are {', '.join(Trouble)}",
        "--severity P9: known are P0, P1, P2, P3",
        "--rate 2.0: is a share from 0 to 1, for --symptom errors",
    ]
