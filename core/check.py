"""A check: a question to one live system, with the condition its answer must meet. Asking is elsewhere; judging is here."""

from __future__ import annotations

import operator
import re
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from sluice.core.reading import NoData, Number, Reading, Unasked
from sluice.core.value import Value
from sluice.core.verdict import Outcome, Severity, Verdict

Comparison = Literal["<", "<=", ">", ">=", "==", "!=", "matches"]
OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "==", "matches": "does not match"}
COMPARE = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


class Unit(StrEnum):
    """What a number means; people see it converted, the wire never is."""

    NONE = ""
    RATIO = "ratio"  # 0 to 1, shown as per cent
    SECONDS = "s"
    BYTES = "bytes"


class Limit(Value):
    """The condition that must hold, as in `error rate <= 5 %`."""

    is_: Comparison = Field(validation_alias="is", serialization_alias="is")
    value: float | str
    unit: Unit = Unit.NONE

    model_config = Value.model_config | {"populate_by_name": True, "serialize_by_alias": True}

    def holds(self, seen: float | str) -> bool:
        """Say whether the observed value meets the condition; a number never equals a word."""
        if self.is_ == "matches":
            return re.search(str(self.value), str(seen)) is not None
        if isinstance(seen, str) != isinstance(self.value, str):
            return self.is_ == "!="
        return bool(COMPARE[self.is_](seen, self.value))


class Check(Value):
    """One question and its condition.

    `ask` names the question (`http.status`, `sql`, `logs.count`, `split.error_rate`, ...), `of` holds its parameters;
    each module of `systems` documents its own. `lasts`, in seconds, is how long a breach must last before it counts;
    `minimum` is how many samples an answer needs. Severity and action are those of runbook 004, "Key Metrics to Monitor".
    """

    name: str
    ask: str
    of: dict[str, Any] = {}
    limit: Limit
    severity: Severity = Severity.P2
    action: str = ""
    lasts: float = Field(default=0.0, ge=0)
    minimum: int = Field(default=1, ge=1)
    timeout: float = Field(default=10.0, gt=0)


def dated(check: Check, since: float) -> Check:
    """Let a question to logs begin at `since`, in epoch seconds, where it does not say itself how far it looks back."""
    if not check.ask.startswith("logs.") or check.of.keys() & {"since", "last"}:
        return check
    return check.model_copy(update={"of": {**check.of, "since": since}})


def judge(check: Check, reading: Reading) -> Verdict:
    """Compare one answer with its condition. No answer and too few samples are inconclusive; not asked is errored."""
    if isinstance(reading, Unasked):
        return Verdict.of(check.name, Outcome.ERRORED, f"{check.name} could not be asked: {reading.why}", check.severity)
    if isinstance(reading, NoData):
        return Verdict.of(check.name, Outcome.INCONCLUSIVE, f"{check.name}: no data, {reading.why}", check.severity)
    if reading.samples is not None and reading.samples < check.minimum:
        few = f"{check.name}: {reading.samples} of at least {check.minimum} samples"
        return Verdict.of(check.name, Outcome.INCONCLUSIVE, few, check.severity)
    held = check.limit.holds(reading.value)
    text = sentence(check, reading, check.limit.is_ if held else OPPOSITE[check.limit.is_])
    return Verdict.of(check.name, Outcome.PASSED if held else Outcome.FAILED, text, check.severity, observed(check, reading))


def observed(check: Check, reading: Number) -> str:
    """Say what was observed, with its evidence."""
    evidence = f" ({reading.evidence})" if reading.evidence else ""
    return f"{show(reading.value, check.limit.unit)}{evidence}"


def sentence(check: Check, reading: Number, relation: str) -> str:
    """Say what was observed against what is expected: `error rate 12.0 % > 5.0 % (36 of 300)`; what is the very value once."""
    seen, limit = (show(value, check.limit.unit) for value in (reading.value, check.limit.value))
    evidence = f" ({reading.evidence})" if reading.evidence else ""
    if relation == check.limit.is_ == "==":
        return f"{check.name}: {seen}{evidence}"
    return f"{check.name} {seen} {relation} {limit}{evidence}"


def show(value: float | str, unit: Unit) -> str:
    """Write a value the way people read it."""
    if isinstance(value, str):
        return repr(value)
    if unit is Unit.RATIO:
        return f"{value * 100:.1f} %"
    if unit is Unit.SECONDS:
        return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"
    if unit is Unit.BYTES:
        return f"{value / 2**20:.0f} MiB"
    return f"{value:g}"
