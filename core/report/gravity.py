"""How bad a failed attempt was, by what is known of it: the one answer of the command that goes back and of the report."""

from __future__ import annotations

from sluice.core.moment import Moment
from sluice.core.report.attempt import Attempt, Ruling
from sluice.core.report.word import share
from sluice.core.rollback.failure import Failure
from sluice.core.rollback.symptom import MATRIX, Severity, Symptom, Trouble

LEVELS = {one.value: one for one in Severity}
# What runs at a moment, as the engine's events call it; a version's start is a resource of its runtime.
KINDS = {
    Moment.PREFLIGHT: "sluice:Preflight",
    Moment.BACKUP: "sluice:Backup",
    Moment.DRILL: "sluice:Backup",
    Moment.EXPAND: "sluice:Migration",
    Moment.BACKFILL: "sluice:Migration",
    Moment.HEALTH: "sluice:Gate",
    Moment.SMOKE: "sluice:Smoke",
    Moment.CANARY: "sluice:Canary",
    Moment.SETTLE: "sluice:Migration",
    Moment.RESTORE: "sluice:Restore",
}
NO_STEP = {Moment.DEPLOY: Trouble.SERVICE, Moment.MARK: Trouble.PERFORMANCE}


def trouble(attempt: Attempt) -> Trouble | None:
    """Return the row of the matrix that a failed attempt belongs to; None of one that went through, or that nobody can tell."""
    if attempt.moment in NO_STEP:
        return NO_STEP[attempt.moment]
    kind = KINDS.get(attempt.moment) if attempt.moment else None
    return Failure.of(kind, attempt.why).trouble if kind else None


def gravity(row: Trouble | None, attempt: Attempt | None) -> tuple[Severity, str] | None:
    """Return how bad a failure of a row of the matrix was, and by which rule: the worst of the failed checks, of the share of failed
    requests and of the row itself; None where there is nothing to tell it by.

    Sources: the severity levels of runbook 004, the decision matrix of 002.
    """
    found = [*(_seen(attempt) if attempt else []), *_matrix(row)]
    # P0 is the worst, and sorts first; of two that are as bad what was seen comes before the table.
    return min(found, key=lambda one: one[0], default=None)


def _seen(attempt: Attempt) -> list[tuple[Severity, str]]:
    seen = attempt.impact
    rate = Symptom(trouble=Trouble.ERRORS, rate=seen.errors / max(1, seen.requests)).level
    part = f"{share(seen.errors, seen.requests)} of the requests failed (runbook 004, severity levels)"
    checks = [(LEVELS[one.severity], f"the severity of the check '{one.check}'") for one in _failed(attempt)]
    return [*([(rate, part)] if rate is not Severity.P3 else []), *checks]


def _failed(attempt: Attempt) -> list[Ruling]:
    last = attempt.tables[-1].verdicts if attempt.tables else []
    return [one for one in last if one.outcome == "failed" and one.severity in LEVELS]


def _matrix(row: Trouble | None) -> list[tuple[Severity, str]]:
    return [(MATRIX[row].severity, f"{MATRIX[row].meaning} (rollback decision matrix)")] if row else []
