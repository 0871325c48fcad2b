"""What went wrong, how much it matters, and what runbooks say to do about it: tables, and nothing else.

Sources: the rollback decision matrix of the runbook of songnodes (002), the severity levels and "when to rollback" of redcube's (004).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from sluice.core.errors import Refused
from sluice.core.value import Value

MINUTE, HOUR = 60.0, 3600.0


class Severity(StrEnum):
    """How bad it is; `within`, in seconds, is when it has to be over (None: with the next release).

    What is due at once is over when the longest way back of runbook 004 is, its full rollback of 1 to 3 minutes.
    """

    within: float | None
    todo: str

    def __new__(cls, word: str, within: float | None, todo: str) -> Severity:
        """Attach the time and the sentence to the word."""
        one = str.__new__(cls, word)
        one._value_, one.within, one.todo = word, within, todo
        return one

    P0 = "P0", 3 * MINUTE, "go back at once"
    P1 = "P1", 15 * MINUTE, "go back within 15 minutes"
    P2 = "P2", HOUR, "mend it, or go back, within an hour"
    P3 = "P3", None, "mend it in the next release"

    @property
    def pressing(self) -> bool:
        """Say whether going back is due, whatever else could be done."""
        return self in (Severity.P0, Severity.P1)


class Scope(StrEnum):
    """How much goes back."""

    NOTHING = "nothing"  # fix and retry
    DATABASE = "database"
    SERVICES = "services"
    FULL = "full"  # services, migrations and flags
    RESTORE = "full and restore"


# From the least to the most: with several symptoms the widest counts.
WIDTH = (Scope.NOTHING, Scope.DATABASE, Scope.SERVICES, Scope.FULL, Scope.RESTORE)


class Trouble(StrEnum):
    """What is seen."""

    MIGRATION = "migration"
    ARTIFACT = "artifact"
    SERVICE = "service"
    HEALTH = "health"
    SMOKE = "smoke"
    PERFORMANCE = "performance"
    CORRUPTION = "corruption"
    DOWN = "down"
    SECURITY = "security"
    FEATURE = "feature"
    ERRORS = "errors"
    SYNC = "sync"
    MINOR = "minor"
    REFUSED = "refused"


class Rule(Value):
    """What is done about a trouble. `judged`: only when the severity is pressing; else it is mended and tried again."""

    meaning: str
    scope: Scope
    severity: Severity
    judged: bool = False


MATRIX: dict[Trouble, Rule] = {
    Trouble.MIGRATION: Rule(meaning="a migration failed", scope=Scope.DATABASE, severity=Severity.P1),
    Trouble.ARTIFACT: Rule(meaning="a service could not be built or fetched", scope=Scope.NOTHING, severity=Severity.P3),
    Trouble.SERVICE: Rule(meaning="a service did not start", scope=Scope.SERVICES, severity=Severity.P1),
    Trouble.HEALTH: Rule(meaning="health checks failed", scope=Scope.FULL, severity=Severity.P1),
    Trouble.SMOKE: Rule(meaning="smoke tests failed", scope=Scope.FULL, severity=Severity.P2, judged=True),
    Trouble.PERFORMANCE: Rule(meaning="it has become slow", scope=Scope.SERVICES, severity=Severity.P2),
    Trouble.CORRUPTION: Rule(meaning="data are corrupt", scope=Scope.RESTORE, severity=Severity.P0),
    Trouble.DOWN: Rule(meaning="the service is down", scope=Scope.FULL, severity=Severity.P0),
    Trouble.SECURITY: Rule(meaning="a vulnerability or a breach", scope=Scope.FULL, severity=Severity.P0),
    Trouble.FEATURE: Rule(meaning="a major feature is broken", scope=Scope.FULL, severity=Severity.P1),
    Trouble.ERRORS: Rule(meaning="requests fail", scope=Scope.FULL, severity=Severity.P2),
    Trouble.SYNC: Rule(meaning="databases are not in step", scope=Scope.FULL, severity=Severity.P1),
    Trouble.MINOR: Rule(meaning="something small", scope=Scope.NOTHING, severity=Severity.P3),
    Trouble.REFUSED: Rule(meaning="it was refused, and nothing was touched", scope=Scope.NOTHING, severity=Severity.P3),
}

# Shares of failing requests, and what they make of `errors`; more than the first is P1, down to nothing at all below the last.
RATES = ((0.10, Severity.P1), (0.05, Severity.P2))


class Symptom(Value):
    """Something seen. `rate` is the share of failing requests, for `errors`; `severity` is what people say where they know better."""

    trouble: Trouble
    rate: float | None = Field(default=None, ge=0, le=1)
    severity: Severity | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.rate is not None and self.trouble is not Trouble.ERRORS:
            raise ValueError("a rate is for 'errors' alone")
        return self

    @property
    def rule(self) -> Rule:
        """Return its row of the matrix."""
        return MATRIX[self.trouble]

    @property
    def level(self) -> Severity:
        """Return how bad it is."""
        return self.severity or self._rated or self.rule.severity

    @property
    def _rated(self) -> Severity | None:
        if self.rate is None:
            return None
        return next((severity for limit, severity in RATES if self.rate > limit), Severity.P3)

    @property
    def scope(self) -> Scope:
        """Return how much should go back for it."""
        mended = (self.rule.judged and not self.level.pressing) or self.level is Severity.P3
        return Scope.NOTHING if mended else self.rule.scope

    @property
    def text(self) -> str:
        """Say it in a line."""
        share = f" ({self.rate:.1%} of them)" if self.rate is not None else ""
        return f"{self.rule.meaning}{share}: {self.level}, {self.level.todo}"


def widest(symptoms: list[Symptom]) -> Scope:
    """Return the scope that all symptoms together ask for; nothing seen is a wish to go back, and that is in full."""
    return max((one.scope for one in symptoms), key=WIDTH.index, default=Scope.FULL)


def worst(symptoms: list[Symptom]) -> Severity | None:
    """Return the worst severity."""
    return min((one.level for one in symptoms), default=None)


def read(troubles: Sequence[str], rate: float | None, severity: str | None) -> list[Symptom]:
    """Read what people say that they see; Refused with all words that are not known, and those that are."""
    known = {"symptom": [one.value for one in Trouble], "severity": [one.value for one in Severity]}
    given = {"symptom": troubles, "severity": [severity] if severity else []}
    wrong = [f"--{key} {word}: known are {', '.join(known[key])}" for key, some in given.items() for word in some if word not in known[key]]
    if rate is not None and not (0 <= rate <= 1 and "errors" in troubles):
        wrong.append(f"--rate {rate}: is a share from 0 to 1, for --symptom errors")
    if wrong:
        raise Refused(wrong)
    told = next((one for one in Severity if one == severity), None)
    seen = [Trouble(word) for word in troubles]
    return [Symptom(trouble=one, rate=rate if one is Trouble.ERRORS else None, severity=told) for one in seen]
