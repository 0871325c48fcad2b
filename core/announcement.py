"""What people are told before a maintenance: when, for how long, what they will notice, and whom to call. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil
from statistics import median
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime

from sluice.core.ladder import Ladder
from sluice.core.report.word import count, span
from sluice.core.value import Value

# Runbook 002, "Maintenance Window Template": users are told a day before.
LEAD = timedelta(hours=24)
# The last releases say more than all of them.
LAST = 5
# People plan in these, in seconds.
STEP = 300


class Estimate(Value):
    """How long a release takes, in seconds, and by what that is known."""

    seconds: float
    why: str


class Announcement(Value):
    """One maintenance. `effect` are the sentences on what users notice; `back` is how long going back takes."""

    stack: str
    release: str
    version: str
    kind: str
    begin: AwareDatetime
    end: AwareDatetime
    zones: list[str]
    estimate: Estimate
    effect: list[str]
    back: str
    contacts: str
    told: list[str]

    @property
    def text(self) -> str:
        """Return it as it is sent."""
        lines = [
            f"Maintenance of {self.stack}: version {self.version} ({self.kind}, {self.release})",
            "",
            *_labelled("When", [between(self.begin, self.end, zone) for zone in self.zones]),
            *_labelled("Because", [self.estimate.why]),
            *_labelled("Effect", self.effect),
            *_labelled("Way back", [self.back]),
            *_labelled("Contact", [self.contacts or "nobody is named in sluice:rollout.contacts"]),
            *_labelled("News", [f"by {', '.join(self.told)}" if self.told else "sluice:rollout.notify names nobody"]),
        ]
        return "\n".join(lines)


def _labelled(label: str, texts: Sequence[str]) -> list[str]:
    return [f"{label if not number else '':<9} {text}" for number, text in enumerate(texts)]


def between(begin: datetime, end: datetime, zone: str) -> str:
    """Write a span in a time zone; its day once, where it is the same."""
    first, last = begin.astimezone(ZoneInfo(zone)), end.astimezone(ZoneInfo(zone))
    until = f"{last:%H:%M}" if last.date() == first.date() else f"{last:%a %Y-%m-%d %H:%M}"
    return f"{first:%a %Y-%m-%d %H:%M} to {until} {zone}"


def estimate(earlier: Sequence[float], ladder: Ladder, back: float) -> Estimate:
    """Return how long to plan for: the longest of the last releases, at least as long as the ladder soaks, and time to go back; in whole
    steps of five minutes. `earlier` are seconds, newest first."""
    soak = sum(step.soak for step in ladder.steps)
    known = earlier[:LAST]
    longest = max([soak, *known])
    told = f"the last {count(len(known), 'release')} took {span(median(known))} at the median, {span(max(known))} at most" if known else ""
    why = [
        told or "no release has been proven here before",
        f"the ladder alone soaks for {span(soak)}",
        f"going back has {span(back)}",
    ]
    return Estimate(seconds=ceil((longest + back) / STEP) * STEP, why="; ".join(why))


def effect(ladder: Ladder, schema: Sequence[str], *, first: bool) -> list[str]:
    """Return what users notice: of a release that goes as it should nothing, whose share meets the new version when."""
    if first:
        return ["the service opens: there was none before"]
    shares = ", ".join(f"{step.weight} %" for step in ladder.steps if 0 < step.weight < 100)
    climbs = f"{shares} of the requests, step by step" if shares else "all requests at once"
    return [
        f"none is expected: the version that serves goes on until the new one has passed; that one gets {climbs}, and none when it fails",
        *(f"database {one.partition('=')[0]} goes to revision {one.partition('=')[2]} while it serves" for one in schema),
    ]
