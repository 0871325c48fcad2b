"""When releases may begin. Pure: the time is passed in, and counts by the clocks of the configured zone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from sluice.core.settings.kind import Clock, Day, Text, Truth, Zone
from sluice.core.value import Value

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEK: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# How far ahead the next opening is looked for, in days: over the longest freeze of a year.
AHEAD = 400
# Clocks change, and days begin, on whole and half hours: with these, no opening is missed.
HALF = 30
DAY = 24 * 60


class Span(Value):
    """A time of the week; `to` before `from` is on the day after. `from_` and `to` in minutes since midnight."""

    days: list[Weekday] = Field(default=list(WEEK), min_length=1, description="days on which it begins")
    from_: Clock = Field(alias="from", description="when it opens, in quotes")
    to: Clock = Field(description="when it closes, in quotes; earlier than `from`: on the day after")

    def holds(self, day: date, minute: int) -> bool:
        """Say whether it is open at a minute of a day."""
        today, before = WEEK[day.weekday()] in self.days, WEEK[day.weekday() - 1] in self.days
        if self.from_ < self.to:
            return today and self.from_ <= minute < self.to
        return (today and minute >= self.from_) or (before and minute < self.to)


class Freeze(Value):
    """Days on which nothing is released, the last one included."""

    from_: Day = Field(alias="from", description="its first day")
    to: Day = Field(description="its last day")
    why: Text = Field(description="what people are told")


class Windows(Value):
    """When releases may begin."""

    timezone: Zone = Field(description="whose clocks count; there is no default, as 09:00 is nowhere in particular")
    open: list[Span] | None = Field(default=None, min_length=1, description="times of the week; default: always")
    freeze: list[Freeze] = Field(default=[], description="days without releases")
    holidays: list[Day] = Field(default=[], description="single days without releases")
    day_before_holiday: Truth = Field(default=True, description="false: not on the day before a holiday either")


def closed(windows: Windows | None, now: datetime) -> str | None:
    """Return why no release may begin now, and when it may next; None when it may."""
    if windows is None:
        return None
    why = _why(windows, now)
    return f"{why}; {_next(windows, now)}" if why else None


def opening(windows: Windows | None, at: datetime) -> datetime | None:
    """Return the first moment from `at` on at which a release may begin; None where there is none within AHEAD days."""
    if windows is None or _why(windows, at) is None:
        return at
    return next((one for one in _instants(windows, at) if _why(windows, one) is None), None)


def _why(windows: Windows, at: datetime) -> str | None:
    local = at.astimezone(_zone(windows.timezone))
    day, minute = local.date(), local.hour * 60 + local.minute
    frozen = [freeze for freeze in windows.freeze if freeze.from_ <= day <= freeze.to]
    if frozen:
        return f"frozen until the end of {frozen[0].to}: {frozen[0].why}"
    if day in windows.holidays:
        return f"{day} is a holiday"
    if not windows.day_before_holiday and day + timedelta(days=1) in windows.holidays:
        return f"{day} is the day before a holiday"
    if windows.open is not None and not any(span.holds(day, minute) for span in windows.open):
        return f"closed on {WEEK[day.weekday()]} at {local:%H:%M} ({windows.timezone})"
    return None


def _next(windows: Windows, now: datetime) -> str:
    found = opening(windows, now)
    if found is None:
        return f"it does not open within {AHEAD} days"
    return f"opens {WEEK[found.weekday()]} {found:%Y-%m-%d %H:%M} ({windows.timezone})"


def _instants(windows: Windows, now: datetime) -> Iterator[datetime]:
    """Yield, in order, every moment at which it could open."""
    zone = _zone(windows.timezone)
    today = now.astimezone(zone).date()
    minutes = sorted({*range(0, DAY, HALF), *(span.from_ % DAY for span in windows.open or [])})
    for ahead in range(AHEAD):
        day = today + timedelta(days=ahead)
        # By way of UTC a time that the clocks skip becomes one that they show; one they show twice counts from the first.
        instants = {_instant(day, minute, zone) for minute in minutes}
        yield from (instant.astimezone(zone) for instant in sorted(instants) if instant > now)


def _instant(day: date, minute: int, zone: ZoneInfo) -> datetime:
    from datetime import UTC

    return datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=zone).astimezone(UTC)


@lru_cache
def _zone(name: str) -> ZoneInfo:
    # Only who has windows pays for it.
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)
