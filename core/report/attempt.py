"""One attempt at a release: steps, verdicts, looks, and what it came to."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

from pydantic import AwareDatetime

from sluice.core.contact import Contact
from sluice.core.journal import Actor
from sluice.core.moment import Moment
from sluice.core.value import Value


class End(StrEnum):
    """How an attempt ended."""

    PROVEN = "proven"
    REFUSED = "refused"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    HELD = "held"  # it went no further than it should, and the keeper judges it on
    UNFINISHED = "unfinished"  # it was killed, or still runs


class State(StrEnum):
    """How a step ended; `between` is what no step says of itself: the versions start between two that do."""

    PASSED = "passed"
    FAILED = "failed"
    OPEN = "open"
    BETWEEN = "between"


class Bar(Value):
    """A step in time."""

    moment: Moment
    begun: AwareDatetime
    ended: AwareDatetime
    state: State

    @property
    def seconds(self) -> float:
        """Return how long it took."""
        return (self.ended - self.begun).total_seconds()


class Ruling(Value):
    """What one check came to."""

    check: str
    outcome: str
    severity: str = ""
    observed: str = ""
    expected: str = ""
    ask: str = ""
    limit: float | None = None
    version: str = ""


class Table(Value):
    """The verdicts of a gate, or of a step of the ladder (`step`, its weight)."""

    at: AwareDatetime
    moment: Moment
    step: int | None = None
    verdicts: list[Ruling]

    @property
    def passed(self) -> bool:
        """Say whether all passed."""
        return all(one.outcome == "passed" for one in self.verdicts)

    @property
    def tally(self) -> str:
        """Count the verdicts: `14 passed, 1 failed`."""
        kinds = Counter(one.outcome for one in self.verdicts)
        return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())


class Side(Value):
    """What one version answered since the look before; `p95` in seconds."""

    side: str
    service: str
    version: str
    requests: int = 0
    errors: int = 0
    p95: float | None = None


class Look(Value):
    """Both sides of all services, over the last `seconds`."""

    at: AwareDatetime
    weight: int
    seconds: float
    sides: list[Side]


class Shift(Value):
    """The splitter followed a weight."""

    at: AwareDatetime
    weight: int


class Impact(Value):
    """What users met of the new version. `seconds` is how long it had traffic, of which it had at most `weight` per cent."""

    requests: int = 0
    errors: int = 0
    others: int = 0
    weight: int = 0
    seconds: float = 0.0


class Message(Value):
    """What was posted, where to, and where it did not arrive."""

    at: AwareDatetime
    text: str
    to: list[str] = []
    missed: list[str] = []


class Attempt(Value):
    """One update. `why` is the error that ended it, at `moment`; `said` the message of its entry in stack history."""

    run: str
    begun: AwareDatetime
    ended: AwareDatetime
    end: End
    actor: Actor
    moment: Moment | None = None
    why: str = ""
    said: str = ""
    marks: bool = False
    bars: list[Bar] = []
    tables: list[Table] = []
    looks: list[Look] = []
    shifts: list[Shift] = []
    aborted: AwareDatetime | None = None
    messages: list[Message] = []
    contacts: list[Contact] = []
    impact: Impact = Impact()
    came: dict[str, list[str]] = {}

    @property
    def seconds(self) -> float:
        """Return how long it took."""
        return (self.ended - self.begun).total_seconds()

    @property
    def services(self) -> list[str]:
        """Return the services that climbed."""
        return list(dict.fromkeys(side.service for look in self.looks for side in look.sides))
