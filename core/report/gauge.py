"""What Prometheus is told of a release: figures of one attempt, as gauges. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from sluice.core.report.attempt import Attempt, End

PREFIX = "sluice_release_"


@dataclass(frozen=True)
class Gauge:
    """One sample; `labels` in order."""

    name: str
    about: str
    value: float
    labels: dict[str, str] = field(default_factory=dict)


def gauges(release: str, one: Attempt) -> list[Gauge]:
    """Return the gauges of an attempt at a release: which, how it ended, how long it and its steps took, what its gates and users saw."""
    return [*_which(release, one), *_times(one), *_gates(one), *_requests(one)]


def _which(release: str, one: Attempt) -> Iterator[Gauge]:
    told = {"release": release, "version": release.rpartition("-")[0], "by": one.actor.user, "commit": one.actor.git or ""}
    yield Gauge(f"{PREFIX}info", "The last release that was tried.", 1, told)
    for end in End:
        yield Gauge(f"{PREFIX}result", "How it ended: 1 at its result, 0 at all others.", float(end is one.end), {"result": end.value})


def _times(one: Attempt) -> Iterator[Gauge]:
    yield Gauge(f"{PREFIX}begun_timestamp_seconds", "When it began.", one.begun.timestamp())
    yield Gauge(f"{PREFIX}duration_seconds", "How long it took, or has taken so far.", one.seconds)
    took: Counter[str] = Counter()
    for bar in one.bars:
        took[bar.moment.value] += bar.seconds  # type: ignore[assignment]  # a counter adds floats too
    for moment, seconds in took.items():
        yield Gauge(f"{PREFIX}step_seconds", "How long its steps took, by moment.", seconds, {"moment": moment})


def _gates(one: Attempt) -> Iterator[Gauge]:
    seen = Counter((table.moment.value, row.outcome) for table in one.tables for row in table.verdicts)
    for (moment, outcome), number in seen.items():
        labels = {"moment": moment, "outcome": outcome}
        yield Gauge(f"{PREFIX}checks", "How many checks of its gates came to what.", number, labels)


def _requests(one: Attempt) -> Iterator[Gauge]:
    for kind, number in (("answered", one.impact.requests), ("failed", one.impact.errors)):
        yield Gauge(f"{PREFIX}requests", "Requests to the new version while it climbed.", number, {"kind": kind})
