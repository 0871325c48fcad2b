"""The picture of an attempt in time: a row for each moment. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sluice.core.report.attempt import Attempt, Bar, State
from sluice.core.report.word import clock, span


@dataclass(frozen=True)
class Row:
    """One moment in the picture of an attempt: where its bars are (per cent across, and how wide), and what is said beside them."""

    moment: str
    text: str
    bars: list[tuple[float, float, str, str]]


def timeline(attempt: Attempt) -> list[Row]:
    """Return a row for each moment, in the order in which they began."""
    begun, whole = attempt.begun, max(attempt.seconds, 0.001)
    moments = list(dict.fromkeys(bar.moment for bar in attempt.bars))
    rows = [(moment, [bar for bar in attempt.bars if bar.moment is moment]) for moment in moments]
    return [Row(moment.value, _took(bars), [_bar(bar, begun, whole) for bar in bars]) for moment, bars in rows]


def _bar(bar: Bar, begun: datetime, whole: float) -> tuple[float, float, str, str]:
    at = 100 * (bar.begun - begun).total_seconds() / whole
    width = 100 * bar.seconds / whole
    state = "" if bar.state is State.PASSED else f", {bar.state}"
    return round(at, 2), round(max(width, 0.4), 2), bar.state.value, f"{clock(bar.begun)} to {clock(bar.ended)}, {span(bar.seconds)}{state}"


def _took(bars: Sequence[Bar]) -> str:
    ends = [bar.state for bar in bars if bar.state in (State.FAILED, State.OPEN)]
    return span(sum(bar.seconds for bar in bars)) + (f", {ends[0]}" if ends else "")
