"""Four verdicts, not two: no evidence is never a pass."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from sluice.core.value import Value


class Outcome(StrEnum):
    """What a check came to. In `worst`, a failure outranks an error, which outranks a lack of data."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    ERRORED = "errored"


class Severity(StrEnum):
    """How bad a failure is (runbook 004, "Severity Levels")."""

    P0 = "P0"  # roll back at once
    P1 = "P1"  # roll back within 15 minutes
    P2 = "P2"  # fix within an hour
    P3 = "P3"  # fix in the next release


RANK = {Outcome.PASSED: 0, Outcome.INCONCLUSIVE: 1, Outcome.ERRORED: 2, Outcome.FAILED: 3}


class Verdict(Value):
    """What one check came to, with the sentence that says why; `seen` is what was observed, as people read it, where it is one value."""

    check: str
    outcome: Outcome
    text: str
    severity: Severity = Severity.P2
    seen: str = ""

    @classmethod
    def of(cls, check: str, outcome: Outcome, text: str, severity: Severity = Severity.P2, seen: str = "") -> Verdict:
        """Build a verdict from its parts in the order they are spoken."""
        return cls(check=check, outcome=outcome, text=text, severity=severity, seen=seen)

    @property
    def passed(self) -> bool:
        """Say whether this verdict lets a release go on."""
        return self.outcome is Outcome.PASSED


def worst(verdicts: Iterable[Verdict]) -> Outcome:
    """Return the outcome that counts when all must hold. Nothing asked is inconclusive: no evidence never passes."""
    outcomes = [verdict.outcome for verdict in verdicts]
    return max(outcomes, key=RANK.__getitem__) if outcomes else Outcome.INCONCLUSIVE
