"""The time that a severity leaves for going back: when to say what is left of it, and when it is over. Pure: time is told."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.core.journal import Event, Happened
from sluice.core.moment import Moment
from sluice.core.record import Record
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


def due(events: Sequence[Event], configured: str | None, live: Record | None) -> Deadline | None:
    """Return the deadline of a way back that somebody has asked for and that has not come to its end, by the lines of the journal; None
    where there is none, or its severity leaves all the time there is. Seconds are those since the epoch."""
    asked = next((one for one in reversed(events) if one.moment is Moment.ROLLBACK and one.event is Happened.ASKED), None)
    if asked is None or live is None or asked.release != configured:
        return None
    # It is over once its release is live, and whatever was proven since has ended it.
    if live.id == asked.release or live.at > asked.at:
        return None
    level = next((one for one in Severity if one.value == asked.figures.get("level")), None)
    return Deadline.of(level, asked.at.timestamp())
