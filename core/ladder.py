"""The rollout machine: pure. It is told what happened and says what to do next; the Canary does it and tells it again.

    SHIFT ──shifted──▶ CONFIRM ──confirmed──▶ SOAK ──good, long enough──▶ SHIFT (next step) … ──▶ PASSED
      │                   │                     └──the same, and `until` is reached──▶ HELD ──handed over──▶ LEFT
      └───────────────────┴─── abort, from SOAK and HELD too ──▶ RETREAT ──shifted──▶ LEAVE ──confirmed──▶ ABORTED

A deployer hands a held step over to the keeper; the keeper begins in HELD, and there judges until an abort.

Three rules hold from every state, and a property test walks them:
an abort ends at weight 0 and outranks everything; weights stay between 0 and 100; without evidence nothing climbs, and from HELD nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from pydantic import AwareDatetime, Field

from sluice.core.value import Value
from sluice.core.verdict import Outcome


class Cohort(Value):
    """Who sees the new version whatever the weight: requests with this header or cookie (beta users)."""

    header: str | None = None
    cookie: str | None = None
    value: str = "1"


class Step(Value):
    """A share of traffic, in per cent, and the proof for it: `soak` in seconds, `samples` in requests answered by the canary."""

    weight: int = Field(ge=0, le=100)
    soak: float = Field(default=0.0, ge=0)
    samples: int = Field(default=0, ge=0)
    not_before: AwareDatetime | None = None
    cohort: Cohort | None = None


class Ladder(Value):
    """The steps to 100 %. `patience`, in seconds, is how long a step may wait for missing evidence once its soak is over."""

    steps: list[Step] = Field(min_length=1)
    patience: float = Field(default=300.0, ge=0)

    def opens(self, step: int) -> float:
        """Return when a step may begin, in seconds since the epoch; 0 when at any time."""
        return _epoch(self.steps[step].not_before) if step < len(self.steps) else 0.0


def weights(replicas: int) -> list[int]:
    """Return the whole per cents that a version can have where traffic is divided by replicas alone: k of that many."""
    return list(dict.fromkeys(round(100 * part / replicas) for part in range(1, replicas + 1)))


def unfit(ladder: Ladder, possible: Sequence[int]) -> list[int]:
    """Return the weights of a ladder that are not possible; 0, a cohort's, always is."""
    return [step.weight for step in ladder.steps if step.weight and step.weight not in possible]


def _epoch(when: datetime | None) -> float:
    return when.timestamp() if when else 0.0


class Phase(StrEnum):
    """Where the machine is, and so what is to be done next."""

    SHIFT = "shift"  # write the step's weight
    CONFIRM = "confirm"  # wait until the splitter has applied it
    SOAK = "soak"  # judge
    HELD = "held"  # this update goes no further: hand over to the keeper; the keeper judges
    RETREAT = "retreat"  # write weight 0
    LEAVE = "leave"  # wait until the splitter has applied 0
    PASSED = "passed"
    LEFT = "left"  # the keeper has it
    ABORTED = "aborted"


DONE = (Phase.PASSED, Phase.LEFT, Phase.ABORTED)
RETREATING = (Phase.RETREAT, Phase.LEAVE, Phase.ABORTED)


@dataclass(frozen=True)
class Shifted:
    """The weight has been written."""


@dataclass(frozen=True)
class Confirmed:
    """The splitter has applied the weight; `at` in seconds since the epoch."""

    at: float


@dataclass(frozen=True)
class Judged:
    """All checks were asked once. `samples` is what the canary answered since the step began; None where nobody has to have asked it."""

    at: float
    outcome: Outcome
    samples: int | None
    why: str = ""


@dataclass(frozen=True)
class Handed:
    """The keeper judges the held step."""


@dataclass(frozen=True)
class Abort:
    """Stop and go back, for this reason: a failed check, a signal, a dead parent, a splitter that does not follow."""

    why: str


Event = Shifted | Confirmed | Judged | Handed | Abort


@dataclass(frozen=True)
class State:
    """Where a rollout is. `weight` is what the splitter has been told; `since` when the step's weight was confirmed; `until` the weight at
    which it ends for now.

    `proven` is when the step last had all its proof: a lapse of evidence while waiting for the next step to open
    (`not_before`) gets the full patience anew.
    """

    ladder: Ladder
    step: int = 0
    phase: Phase = Phase.SHIFT
    weight: int = 0
    since: float = 0.0
    proven: float = 0.0
    until: int = 100
    why: str = ""

    @property
    def done(self) -> bool:
        """Say whether nothing is left to do."""
        return self.phase in DONE

    @property
    def rung(self) -> Step:
        """Return the current step."""
        return self.ladder.steps[self.step]

    @property
    def target(self) -> int:
        """Return the weight that the splitter should have in this phase."""
        return 0 if self.phase in RETREATING else self.rung.weight


def begin(ladder: Ladder, *, weight: int = 0, until: int = 100) -> State:
    """Begin at the first step, or at the one whose weight this very release is known to have already; never above `until`."""
    return State(ladder, step=_step(ladder, min(weight, until)), weight=weight, until=until)


def keep(ladder: Ladder, *, weight: int, at: float) -> State:
    """Begin where an update has ended, with the weight that it has left, at a time in seconds since the epoch."""
    return State(ladder, step=_step(ladder, weight), phase=Phase.HELD, weight=weight, since=at, proven=at, until=weight)


def _step(ladder: Ladder, weight: int) -> int:
    return next((at for at, step in enumerate(ladder.steps) if step.weight == weight > 0), 0)


def advance(state: State, event: Event) -> State:
    """Return the state after an event. An event that does not fit the phase changes nothing."""
    if isinstance(event, Abort):
        return _abort(state, event)
    match state.phase, event:
        case Phase.SHIFT, Shifted():
            return replace(state, phase=Phase.CONFIRM, weight=state.target)
        case Phase.CONFIRM, Confirmed(at):
            return replace(state, phase=Phase.SOAK, since=at)
        case Phase.SOAK, Judged():
            return _judged(state, event)
        case Phase.HELD, Judged():
            return _kept(state, event)
        case Phase.HELD, Handed():
            return replace(state, phase=Phase.LEFT)
        case Phase.RETREAT, Shifted():
            return replace(state, phase=Phase.LEAVE, weight=0)
        case Phase.LEAVE, Confirmed():
            return replace(state, phase=Phase.ABORTED)
    return state


def _abort(state: State, event: Abort) -> State:
    """A first reason is kept: what comes after it is a consequence. A rollout that has passed is not undone by its own abort."""
    if state.phase in RETREATING or state.phase is Phase.PASSED:
        return state
    return replace(state, phase=Phase.RETREAT, why=event.why)


def _judged(state: State, judged: Judged) -> State:
    if judged.outcome is Outcome.FAILED:
        return _abort(state, Abort(judged.why))
    if judged.at - state.since < state.rung.soak:
        return state
    if judged.outcome is not Outcome.PASSED or _few(state, judged):
        return _missing(state, judged)
    return _climb(replace(state, proven=judged.at), judged.at)


def _few(state: State, judged: Judged) -> bool:
    return judged.samples is not None and judged.samples < state.rung.samples


def _missing(state: State, judged: Judged) -> State:
    waited = judged.at - max(state.since + state.rung.soak, state.proven)
    if waited < state.ladder.patience:
        return state
    few = f"{judged.samples} of at least {state.rung.samples} samples"
    return _abort(state, Abort(f"no proof after {waited:.0f} s of patience: {judged.why or few}"))


def _kept(state: State, judged: Judged) -> State:
    """Judge a held step. Nothing climbs here, so a quiet night is no failure; systems that nobody can ask are one after a while."""
    if judged.outcome is Outcome.FAILED:
        return _abort(state, Abort(judged.why))
    if judged.outcome is not Outcome.ERRORED:
        return replace(state, proven=judged.at)
    waited = judged.at - state.proven
    return state if waited < state.ladder.patience else _abort(state, Abort(f"nobody could ask for {waited:.0f} s: {judged.why}"))


def _climb(state: State, at: float) -> State:
    if state.step + 1 == len(state.ladder.steps):
        return replace(state, phase=Phase.PASSED)
    if state.rung.weight >= state.until:
        return replace(state, phase=Phase.HELD, proven=at)
    if at < state.ladder.opens(state.step + 1):
        return state
    return replace(state, step=state.step + 1, phase=Phase.SHIFT, since=0.0, proven=0.0)
