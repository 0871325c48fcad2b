"""What a climb leaves in the journal: its looks, thinned out, and every weight and verdict. Pure: it is handed who writes.

A look is written when a hundredth of the time since the climb began has passed since the one before: a hundred and a few in the first
minutes, and with each tripling of the time about a hundred and ten more, so that a day has fewer than a thousand. Nothing is lost in
between but detail: a line has everything that was answered since the line before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sluice.core.figures import Figures
from sluice.core.journal import Happened, row
from sluice.core.judge.histogram import quantile
from sluice.core.ladder import Phase
from sluice.core.rollout import Pair, Rollout
from sluice.core.verdict import Verdict
from sluice.core.version import Version

# What part of the time since the climb began two lines are apart.
PART = 0.01
QUANTILE = 0.95

Look = tuple[float, Mapping[str, Figures]]
# Is given the time (seconds since the epoch), what happened, the text, and the figures.
Write = Callable[[float, Happened, str, dict[str, Any]], None]


def nobody(at: float, event: Happened, text: str, figures: dict[str, Any]) -> None:
    """Write nothing: a climb without a journal."""


class Tape:
    """Follows one climb. Nothing is written between a failure and weight 0: a slow disk must not hold up the traffic."""

    def __init__(self, rollout: Rollout, write: Write = nobody) -> None:
        self.rollout, self.write = rollout, write
        self.checks = {check.name: check for check in rollout.checks}
        self.begun: float | None = None
        self.kept: Look = (0.0, {})
        self.last: Look | None = None
        self.weight = 0
        self.late: tuple[int, Sequence[Verdict]] = (0, ())

    def look(self, at: float, figures: Mapping[str, Figures]) -> None:
        """Take in what each version has answered so far; the first look is the zero."""
        if self.begun is None:
            self.begun, self.kept = at, (at, figures)
        else:
            self.last = (at, figures)

    def judge(self, at: float, verdicts: Sequence[Verdict], step: int, after: Phase) -> None:
        """The step with this weight was looked at, and the machine is in that phase now."""
        if after is Phase.RETREAT:
            self.late = (step, verdicts)
        elif after in (Phase.SHIFT, Phase.PASSED, Phase.HELD):
            self._flush()
            self._judged(at, step, verdicts)
        elif self.begun is not None and at - self.kept[0] >= (at - self.begun) * PART:
            self._flush()

    def shift(self, at: float, weight: int) -> None:
        """The splitter follows a step's weight."""
        self._flush()
        self.weight = weight
        self.write(at, Happened.SHIFTED, f"{weight} %", {"weight": weight})

    def leave(self, at: float, why: str) -> None:
        """The splitter follows weight 0: all that had to wait is told."""
        self._flush()
        self._judged(at, *self.late)
        self.write(at, Happened.SHIFTED, "0 %", {"weight": 0})
        self.write(at, Happened.ABORTED, why, {"weight": 0})

    def _judged(self, at: float, step: int, verdicts: Sequence[Verdict]) -> None:
        if verdicts:
            rows = [row(verdict, self.checks.get(verdict.check)) for verdict in verdicts]
            self.write(at, Happened.JUDGED, "", {"step": step, "verdicts": rows})

    def _flush(self) -> None:
        if self.last is None:
            return
        at, figures = self.last
        before, old = self.kept
        told = [_side(name, version, figures, old) for pair in self.rollout.pairs for name, version in _sides(pair)]
        self.write(at, Happened.LOOKED, "", {"weight": self.weight, "seconds": round(at - before, 3), "sides": told})
        self.kept, self.last = (at, figures), None


def _sides(pair: Pair) -> list[tuple[str, Version]]:
    return [("canary", pair.canary), *([("live", pair.live)] if pair.live else [])]


def _side(name: str, version: Version, now: Mapping[str, Figures], before: Mapping[str, Figures]) -> dict[str, Any]:
    came = now.get(version.name, Figures()).since(before.get(version.name, Figures()))
    p95 = quantile(came.latency, QUANTILE)
    known = {"requests": came.total, "errors": came.errors, "p95": None if p95 is None or math.isinf(p95) else round(p95, 6)}
    return {"side": name, "service": version.service, "version": version.name, **known}
