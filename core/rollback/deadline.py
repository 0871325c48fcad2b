"""The time that a severity leaves for going back: when to say what is left of it, and when it is over. Pure: time is told."""

from __future__ import annotations

from sluice.core.rollback.symptom import Severity
from sluice.core.settings.duration import text
from sluice.core.value import Value

# Of 15 minutes each is told.
PARTS = 15


class Deadline(Value):
    """A deadline of `within` seconds for a severity, since `begun` (seconds of any clock)."""

    severity: Severity
    within: float
    begun: float

    @classmethod
    def of(cls, severity: Severity | None, begun: float) -> Deadline | None:
        """Return a severity's deadline; None where it has none."""
        return cls(severity=severity, within=severity.within, begun=begun) if severity and severity.within is not None else None

    def late(self, now: float) -> bool:
        """Say whether the time is over."""
        return now - self.begun > self.within

    def part(self, now: float) -> int:
        """Return how many whole parts of the time are over: it is told when another one is."""
        return int((now - self.begun) / self.within * PARTS)

    def left(self, now: float) -> str:
        """Say how much time is left."""
        rest = max(0, round(self.begun + self.within - now))
        return f"{self.severity.value}: {text(rest)} of {text(self.within)} left" if not self.late(now) else self.over

    @property
    def over(self) -> str:
        """Say that it is over."""
        return f"{self.severity.value}: it has taken longer than {text(self.within)}"
