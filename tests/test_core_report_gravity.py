"""How bad a failure was: one answer, by all that is known."""

from __future__ import annotations

import pytest

from sluice.core.moment import Moment
from sluice.core.report.attempt import Attempt, Impact
from sluice.core.report.gravity import gravity, trouble
from sluice.core.report.lines import attempts
from sluice.core.rollback.symptom import Severity, Trouble
from tests.fixtures.journal import bad, good


def failed() -> Attempt:
    return attempts(bad(), [])[0]


@pytest.mark.parametrize(
    ("errors", "check", "expected"),
    [
        (20, "P2", (Severity.P1, "20.0 % of the requests failed (runbook 004, severity levels)")),
        (6, "P1", (Severity.P1, "the severity of the check 'content: error rate'")),
        (6, "P3", (Severity.P2, "6.0 % of the requests failed (runbook 004, severity levels)")),
        (0, "P0", (Severity.P0, "the severity of the check 'content: error rate'")),
        (0, "P3", (Severity.P2, "requests fail (rollback decision matrix)")),
        (0, "", (Severity.P2, "requests fail (rollback decision matrix)")),
    ],
)
def test_severity(errors: int, check: str, expected: tuple[Severity, str]):
    """The worst of the share of failed requests, the failed checks and the row of the matrix: what was seen never makes less of it."""
    attempt = failed()
    ruling = attempt.tables[-1].verdicts[0].model_copy(update={"severity": check})
    tables = [attempt.tables[-1].model_copy(update={"verdicts": [ruling]})]
    seen = Impact(requests=100, errors=errors, weight=10, seconds=1)
    assert gravity(Trouble.ERRORS, attempt.model_copy(update={"tables": tables, "impact": seen})) == expected


@pytest.mark.parametrize(
    ("moment", "why", "row"),
    [
        (Moment.PREFLIGHT, "Refused: x", Trouble.REFUSED),
        (Moment.BACKUP, "BackupFailed: no room", Trouble.REFUSED),
        (Moment.BACKUP, "MigrationFailed: rehearsal of 'shop' failed", Trouble.MIGRATION),
        (Moment.DEPLOY, "", Trouble.SERVICE),
        (Moment.HEALTH, "GateFailed: x", Trouble.HEALTH),
        (Moment.SMOKE, "GateFailed: x", Trouble.SMOKE),
        (Moment.CANARY, "GateFailed: canary of 1.2 failed at 10 %: web: p95 6.0 s > 5.0 s; weight 0, web@1 serves", Trouble.PERFORMANCE),
        (Moment.CANARY, "Superseded: another deployment took over the traffic", None),
        (Moment.RECORD, "Unreachable: x", None),
        (None, "", None),
    ],
)
def test_trouble(moment: Moment | None, why: str, row: Trouble | None):
    """What the journal has of a failure is the row of the matrix that the engine's events would say."""
    assert trouble(failed().model_copy(update={"moment": moment, "why": why})) is row


def test_without():
    """Without a journal the row says it; without either nobody can."""
    assert gravity(Trouble.SMOKE, None) == (Severity.P2, "smoke tests failed (rollback decision matrix)")
    assert gravity(None, None) is None
    assert gravity(trouble(attempts(good(), [])[0]), attempts(good(), [])[0]) is None
