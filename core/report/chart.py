"""What is drawn of a climb: the geometry of its charts, without a word of SVG. Pure.

Across, a plot is 1000 wide and stretched to the page; down, it is in pixels. So lines scale and words do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

from sluice.core.report.attempt import Attempt, Look, Ruling, Side
from sluice.core.report.word import clock, count, span

WIDE, HIGH = 1000.0, 120.0
# More points than this are closer than a pixel on a phone; neighbours are drawn as one.
POINTS = 240
# How many gridlines are aimed at.
LINES = 4
# A limit that is so many times what was seen is told, and not drawn.
FAR = 4.0
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800)


@dataclass(frozen=True)
class Mark:
    """A word at a place: per cent across, or pixels down."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """One side of a chart: `path` is SVG path data, `kind` canary, live or weight."""

    kind: str
    path: str
    dots: list[tuple[float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Hit:
    """A part of the plot, from `x` on, over which `text` is said."""

    x: float
    width: float
    text: str


@dataclass(frozen=True)
class Chart:
    """One figure over time. `limit` is where its threshold is, `ends` where traffic went back (per cent across); `note` is said beside the
    title: a limit that is far above everything that was seen is not drawn, as it would press all else flat."""

    title: str
    said: str
    lines: list[Line]
    down: list[Mark]
    across: list[Mark]
    hits: list[Hit]
    bands: list[Hit]
    limit: Mark | None = None
    ends: Mark | None = None
    note: str = ""


@dataclass(frozen=True)
class Scale:
    """From a time and a value to a place."""

    begun: datetime
    seconds: float
    top: float

    def x(self, at: datetime) -> float:
        """Return a time's place across."""
        return round(min(1.0, max(0.0, (at - self.begun).total_seconds() / self.seconds)) * WIDE, 1)

    def y(self, value: float) -> float:
        """Return a value's place down."""
        return round(HIGH - min(value, self.top) / self.top * HIGH, 1)


Value = Callable[[Side, float], float | None]


def rate(side: Side, seconds: float) -> float | None:
    """Return the share of errors; nothing of nobody. A look may have seen an error before the request that it is of (core.figures)."""
    return min(1.0, side.errors / side.requests) if side.requests else None


def latency(side: Side, seconds: float) -> float | None:
    """Return the 95th percentile in seconds."""
    return side.p95


def pace(side: Side, seconds: float) -> float | None:
    """Return requests a second."""
    return side.requests / seconds if seconds else None


def percent(value: float) -> str:
    """Write a share."""
    return f"{100 * value:.3g} %"


def time(value: float) -> str:
    """Write a latency."""
    return f"{1000 * value:.3g} ms" if value < 1 else f"{value:.3g} s"


def plain(value: float) -> str:
    """Write a number."""
    return f"{value:.3g}"


KINDS: tuple[tuple[str, Value, Callable[[float], str], str, float], ...] = (
    ("Error rate", rate, percent, "split.error_rate", 0.01),
    ("Latency, 95th percentile", latency, time, "split.latency", 0.01),
    ("Requests a second", pace, plain, "", 1.0),
)


def charts(attempt: Attempt, service: str) -> list[Chart]:
    """Return the charts of one service: error rate, latency, requests, each against live; then who had the traffic. None of one that
    nobody asked."""
    looks = thin([look for look in attempt.looks if any(side.service == service for side in look.sides)])
    if not any(side.requests for look in looks for side in look.sides if side.service == service):
        return []
    begun = looks[0].at - timedelta(seconds=looks[0].seconds)
    ended = max(looks[-1].at, attempt.aborted or looks[-1].at)
    length = max((ended - begun).total_seconds(), 0.001)
    shared = _Shared(attempt, service, looks, begun, length)
    return [shared.chart(*kind) for kind in KINDS] + [shared.weights()]


@dataclass(frozen=True)
class _Shared:
    """What all charts of a service have in common."""

    attempt: Attempt
    service: str
    looks: list[Look]
    begun: datetime
    seconds: float

    def chart(self, title: str, value: Value, say: Callable[[float], str], ask: str, least: float) -> Chart:
        """Draw one figure of both sides."""
        limit = self._limit(ask)
        seen = [one for kind in ("canary", "live") for _, one in self._points(kind, value)]
        far = limit is not None and limit > FAR * max([*seen, least])
        scale = Scale(self.begun, self.seconds, top([*seen, *([] if limit is None or far else [limit])], least))
        lines = [self._line(kind, value, scale) for kind in ("live", "canary") if self._points(kind, value)]
        return Chart(
            title=title,
            said=f"{title} of {self.service} over {span(self.seconds)}, at most {say(max(seen))}" if seen else f"{title}: nothing was seen",
            lines=lines,
            down=[Mark(scale.y(at), say(at)) for at in grid(scale.top)],
            across=self._across(),
            hits=[self._hit(look, value, say, scale) for look in self.looks],
            bands=self._bands(scale),
            limit=None if limit is None or far else Mark(scale.y(limit), f"limit {say(limit)}"),
            ends=self._ends(scale),
            note=f"limit {say(limit)}" if limit is not None and far else "",
        )

    def weights(self) -> Chart:
        """Draw the new version's share of the traffic, a step at a time."""
        scale = Scale(self.begun, self.seconds, 1.0)
        shifts = [(scale.x(shift.at), scale.y(shift.weight / 100)) for shift in self.attempt.shifts]
        path, height = f"M0,{HIGH:g}", HIGH
        for x, y in shifts:
            path, height = f"{path} L{x:g},{height:g} L{x:g},{y:g}", y
        said = f"Traffic for the new version of {self.service}, at most {self.attempt.impact.weight} %"
        return Chart(
            title="Share of the traffic",
            said=said,
            lines=[Line("weight", f"{path} L{WIDE:g},{height:g}")],
            down=[Mark(scale.y(at), percent(at)) for at in grid(1.0)],
            across=self._across(),
            hits=[Hit(*_from(scale, look), f"{clock(look.at)}  {look.weight} % for the new version") for look in self.looks],
            bands=[],
            ends=self._ends(scale),
        )

    def _points(self, kind: str, value: Value) -> list[tuple[datetime, float]]:
        sides = [(look, side) for look in self.looks for side in look.sides if (side.side, side.service) == (kind, self.service)]
        return [(look.at, found) for look, side in sides if (found := value(side, look.seconds)) is not None]

    def _line(self, kind: str, value: Value, scale: Scale) -> Line:
        points = [(scale.x(at), scale.y(found)) for at, found in self._points(kind, value)]
        path = " ".join(f"{'L' if number else 'M'}{x:g},{y:g}" for number, (x, y) in enumerate(points))
        # A line of one point is nothing to see.
        return Line(kind, path, points if len(points) < LINES else [])

    def _hit(self, look: Look, value: Value, say: Callable[[float], str], scale: Scale) -> Hit:
        sides = [side for side in look.sides if side.service == self.service]
        told = [f"{side.side} {self._told(side, look, value, say)}" for side in sides]
        return Hit(*_from(scale, look), "  ".join([clock(look.at), *told]))

    def _told(self, side: Side, look: Look, value: Value, say: Callable[[float], str]) -> str:
        found = value(side, look.seconds)
        counts = f"{side.errors} of {side.requests}" if value is rate else count(side.requests, "request")
        return f"{'-' if found is None else say(found)} ({counts})"

    def _limit(self, ask: str) -> float | None:
        mine = {side.version for look in self.looks for side in look.sides if (side.side, side.service) == ("canary", self.service)}
        rulings: list[Ruling] = [one for table in self.attempt.tables for one in table.verdicts]
        return next((one.limit for one in rulings if one.ask == ask and one.version in mine), None) if ask else None

    def _across(self) -> list[Mark]:
        step = next((step for step in STEPS if self.seconds / step <= LINES + 1), STEPS[-1])
        return [Mark(round(100 * at / self.seconds, 2), span(at) if at else "0") for at in range(0, int(self.seconds) + 1, step)]

    def _bands(self, scale: Scale) -> list[Hit]:
        """Return the steps of the ladder, each as long as it had its weight."""
        ends = [*(shift.at for shift in self.attempt.shifts[1:]), self.begun + timedelta(seconds=self.seconds)]
        pairs = [(shift, scale.x(shift.at), scale.x(end)) for shift, end in zip(self.attempt.shifts, ends, strict=False)]
        return [Hit(begin, end - begin, f"{shift.weight} %") for shift, begin, end in pairs if shift.weight and end > begin]

    def _ends(self, scale: Scale) -> Mark | None:
        aborted = self.attempt.aborted
        return Mark(scale.x(aborted) / WIDE * 100, f"back at {clock(aborted)}") if aborted else None


def _from(scale: Scale, look: Look) -> tuple[float, float]:
    begin = scale.x(look.at - timedelta(seconds=look.seconds))
    return begin, max(scale.x(look.at) - begin, 1.0)


def thin(looks: Sequence[Look], most: int = POINTS) -> list[Look]:
    """Return at most so many looks: neighbours become one, with all their requests, and the worst of their latencies."""
    size = math.ceil(len(looks) / most)
    parts = [list(looks[at : at + size]) for at in range(0, len(looks), size)] if looks else []
    return [part[0] if len(part) == 1 else _merged(part) for part in parts]


def _merged(part: list[Look]) -> Look:
    sides = sorted((side for look in part for side in look.sides), key=_who)
    merged = [_sum(list(group)) for _, group in groupby(sides, key=_who)]
    return part[-1].model_copy(update={"seconds": sum(look.seconds for look in part), "sides": merged})


def _who(side: Side) -> tuple[str, str, str]:
    return side.service, side.side, side.version


def _sum(sides: list[Side]) -> Side:
    known = [side.p95 for side in sides if side.p95 is not None]
    figures = {"requests": sum(side.requests for side in sides), "errors": sum(side.errors for side in sides)}
    return sides[0].model_copy(update={**figures, "p95": max(known, default=None)})


def top(values: Sequence[float], least: float) -> float:
    """Return a round number that is above all values, and not below the least."""
    most = max([*values, least])
    unit = 10.0 ** math.floor(math.log10(most))
    return next(unit * size for size in (1, 1.5, 2, 3, 4, 5, 6, 8, 10, 15) if unit * size >= most * 1.05)


def grid(top: float) -> list[float]:
    """Return the values of the gridlines, from 0 up."""
    return [top * number / LINES for number in range(0, LINES + 1, 2)]
