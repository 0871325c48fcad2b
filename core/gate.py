"""A gate: checks at one moment that must all hold before going on. Pure: it is told verdicts and says what they come to.

    WAITING ──all passed in one round, for `hold` seconds──▶ OPEN
       │
       └── a critical check failed, or an outcome that `on` does not wait for ──▶ SHUT

One round is every check asked once, at about the same time: half of the checks now and the other half later prove nothing.
The deadline is not in here: a gate that is still waiting then is as good as shut.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

from pydantic import Field, model_validator

from sluice.core.check import Check
from sluice.core.moment import Moment
from sluice.core.value import Value
from sluice.core.verdict import Outcome, Severity, Verdict
from sluice.core.wait import POLL
from sluice.core.watch import Watch

# A message of one line: more reasons than this would hide each other.
SHOWN = 3

Patience = Literal["wait", "fail"]


class On(Value):
    """What a gate does about an outcome that is no pass: wait until the deadline, or fail at once, as with every critical failure."""

    failed: Patience = "wait"
    inconclusive: Patience = "wait"
    errored: Patience = "wait"


class Gate(Value):
    """Checks that must all hold. `subject` is what is gated, `deadline`, `poll` and `hold` are in seconds.

    With `hold` 0 the first good round opens the gate (is it healthy?); else all must stay good that long (does it stay so?).
    """

    moment: Moment
    subject: str
    checks: list[Check] = Field(min_length=1)
    deadline: float = Field(ge=0)
    poll: float = Field(default=POLL, gt=0)
    hold: float = Field(default=0.0, ge=0)
    on: On = On()

    @model_validator(mode="after")
    def _sound(self) -> Gate:
        if self.hold > self.deadline:
            raise ValueError(f"hold {self.hold:g} s is longer than the deadline of {self.deadline:g} s")
        names = [check.name for check in self.checks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"checks share a name: {', '.join(twice)}")
        return self


class State(StrEnum):
    """What a gate has come to."""

    WAITING = "waiting"
    OPEN = "open"
    SHUT = "shut"


class Vigil:
    """What has been seen at a gate so far.

    `verdicts` are those of the last round, as they count; `good` is since when all has been well, in seconds since the
    epoch (None: it is not); `broken` are the verdicts that last ended a good time.
    """

    def __init__(self, gate: Gate) -> None:
        self.gate, self.watch = gate, Watch(gate.checks)
        self.state = State.WAITING
        self.verdicts: list[Verdict] = []
        self.broken: list[Verdict] = []
        self.good: float | None = None

    def see(self, verdicts: Sequence[Verdict], at: float) -> State:
        """Take in one more round, the verdicts in the order of the gate's checks, and return what the gate has come to."""
        self.verdicts = self.watch.counted(at, verdicts)
        bad = [seen for raw, seen in zip(verdicts, self.verdicts, strict=True) if not seen.passed and not _young(raw, seen)]
        passing = all(verdict.passed for verdict in self.verdicts)
        if bad:
            self.good, self.broken = None, bad
        elif passing and self.good is None:
            self.good = at
        held = passing and self.good is not None and at - self.good >= self.gate.hold
        self.state = State.SHUT if any(map(self._final, bad)) else State.OPEN if held else State.WAITING
        return self.state

    def _final(self, verdict: Verdict) -> bool:
        if verdict.outcome is Outcome.FAILED and verdict.severity is Severity.P0:
            return True
        on = self.gate.on
        return {Outcome.FAILED: on.failed, Outcome.INCONCLUSIVE: on.inconclusive, Outcome.ERRORED: on.errored}[verdict.outcome] == "fail"


def _young(raw: Verdict, seen: Verdict) -> bool:
    """Say whether a failure has not lasted long enough to count: it is no pass, but not bad news either."""
    return raw.outcome is Outcome.FAILED and seen.outcome is not Outcome.FAILED


def explain(vigil: Vigil, took: float) -> str:
    """Say in one line why a gate did not open; `took` in seconds."""
    gate = vigil.gate
    where = f"{gate.moment} of {gate.subject}"
    span = f"within {gate.deadline:g} s" if vigil.state is State.WAITING else f"after {took:.0f} s"
    bad = [(verdict, check) for verdict, check in zip(vigil.verdicts, gate.checks, strict=True) if not verdict.passed]
    if not bad:
        before = f", before that: {'; '.join(verdict.text for verdict in vigil.broken)}" if vigil.broken else ""
        return f"{where}: all checks pass, but not yet for {gate.hold:g} s {span}{before}"
    bad.sort(key=lambda pair: pair[0].severity)
    reasons = [reason(verdict, check) for verdict, check in bad[:SHOWN]]
    more = [f"and {len(bad) - SHOWN} more"] if len(bad) > SHOWN else []
    return "; ".join([f"{where}: {reasons[0]}", *reasons[1:], *more, f"{tally(vigil.verdicts)} {span}"])


def reason(verdict: Verdict, check: Check) -> str:
    """Say what one check came to, how bad that is, and what to do about it."""
    action = f": {check.action}" if check.action else ""
    return f"{verdict.text} [{verdict.severity}{action}]"


def tally(verdicts: Sequence[Verdict]) -> str:
    """Count what did not pass: `1 of 3 checks failed, 1 inconclusive`."""
    kinds = (Outcome.FAILED, Outcome.ERRORED, Outcome.INCONCLUSIVE)
    counts = [(sum(v.outcome is kind for v in verdicts), kind) for kind in kinds]
    first, *others = [(count, kind) for count, kind in counts if count]
    total = f"{first[0]} of {len(verdicts)} check{'s' if len(verdicts) != 1 else ''} {first[1]}"
    return ", ".join([total, *(f"{count} {kind}" for count, kind in others)])
