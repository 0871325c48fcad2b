"""When releases may begin."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.settings.window import Windows, closed

OFFICE = {"days": ["mon", "tue", "wed", "thu"], "from": "09:00", "to": "16:00"}
NIGHT = {"days": ["fri"], "from": "22:00", "to": "04:00"}


def ask(at: str, **windows: Any) -> str | None:
    """Ask at a time of Berlin's clocks (or with its own offset)."""
    when = datetime.fromisoformat(at)
    zoned = when if when.tzinfo else when.replace(tzinfo=ZoneInfo("Europe/Berlin"))
    return closed(Windows.read({"timezone": "Europe/Berlin", **windows}), zoned)


def test_absent():
    """Without windows a release may begin at any time."""
    assert closed(None, datetime.fromisoformat("2026-12-24T23:59:00+00:00")) is None
    assert ask("2026-12-24T23:59") is None


@pytest.mark.parametrize("at", ["2026-11-03T09:00", "2026-11-03T15:59:59", "2026-11-03T08:00+00:00"])
def test_open(at: str):
    """It is open from the first minute to the last, by the clocks of its zone."""
    assert ask(at, open=[OFFICE]) is None


@pytest.mark.parametrize(
    ("at", "why"),
    [
        ("2026-11-03T08:59:59", "closed on tue at 08:59 (Europe/Berlin); opens tue 2026-11-03 09:00 (Europe/Berlin)"),
        ("2026-11-03T16:00", "closed on tue at 16:00 (Europe/Berlin); opens wed 2026-11-04 09:00 (Europe/Berlin)"),
        ("2026-11-06T12:00", "closed on fri at 12:00 (Europe/Berlin); opens mon 2026-11-09 09:00 (Europe/Berlin)"),
        ("2026-11-05T15:30+00:00", "closed on thu at 16:30 (Europe/Berlin); opens mon 2026-11-09 09:00 (Europe/Berlin)"),
    ],
)
def test_closed(at: str, why: str):
    """Outside of them nothing begins, and people are told when they open."""
    assert ask(at, open=[OFFICE]) == why


def test_midnight():
    """A window over midnight belongs to the day it begins on."""
    assert [ask(at, open=[NIGHT]) for at in ("2026-11-06T22:00", "2026-11-07T03:59")] == [None, None]
    assert ask("2026-11-07T04:00", open=[NIGHT]) == "closed on sat at 04:00 (Europe/Berlin); opens fri 2026-11-13 22:00 (Europe/Berlin)"
    assert ask("2026-11-06T03:00", open=[NIGHT]) == "closed on fri at 03:00 (Europe/Berlin); opens fri 2026-11-06 22:00 (Europe/Berlin)"


def test_whole_day():
    """From 00:00 to 24:00 is a whole day."""
    span = {"days": ["tue"], "from": "00:00", "to": "24:00"}
    assert ask("2026-11-03T23:59", open=[span]) is None
    assert ask("2026-11-04T00:00", open=[span]) == "closed on wed at 00:00 (Europe/Berlin); opens tue 2026-11-10 00:00 (Europe/Berlin)"


def test_freeze():
    """A freeze closes its first and last day whatever the week says, and tells its reason."""
    freeze = [{"from": "2026-12-21", "to": "2026-12-27", "why": "the shop's best days"}]
    told = "frozen until the end of 2026-12-27: the shop's best days; opens mon 2026-12-28 09:00 (Europe/Berlin)"
    assert [ask(at, open=[OFFICE], freeze=freeze) for at in ("2026-12-21T09:00", "2026-12-27T23:59")] == [told, told]
    assert ask("2026-12-17T09:00", open=[OFFICE], freeze=freeze) is None


def test_freeze_alone():
    """Without times of the week it opens with the day after the freeze."""
    freeze = [{"from": "2026-12-21", "to": "2026-12-27", "why": "quiet days"}]
    assert ask("2026-12-22T09:00", freeze=freeze) == (
        "frozen until the end of 2026-12-27: quiet days; opens mon 2026-12-28 00:00 (Europe/Berlin)"
    )


def test_holiday():
    """A holiday is closed, and the day before it only on demand."""
    holidays = ["2026-11-05"]
    assert ask("2026-11-05T10:00", holidays=holidays) == "2026-11-05 is a holiday; opens fri 2026-11-06 00:00 (Europe/Berlin)"
    assert ask("2026-11-04T10:00", holidays=holidays) is None
    assert ask("2026-11-04T10:00", holidays=holidays, day_before_holiday=False) == (
        "2026-11-04 is the day before a holiday; opens fri 2026-11-06 00:00 (Europe/Berlin)"
    )


def test_never():
    """A window that does not open within 400 days says so."""
    freeze = [{"from": "2026-01-01", "to": "2028-12-31", "why": "handed over"}]
    assert ask("2026-11-03T10:00", freeze=freeze) == "frozen until the end of 2028-12-31: handed over; it does not open within 400 days"


def test_clocks_forward():
    """On the night that clocks skip 02:00 to 03:00, a window from 02:30 opens at 03:00."""
    span = {"days": ["sun"], "from": "02:30", "to": "05:00"}
    assert ask("2026-03-29T01:30", open=[span]) == "closed on sun at 01:30 (Europe/Berlin); opens sun 2026-03-29 03:00 (Europe/Berlin)"
    assert ask("2026-03-29T01:00+00:00", open=[span]) is None


def test_clocks_skip_window():
    """A window that lies in the skipped hour does not open that day."""
    span = {"days": ["sun"], "from": "02:00", "to": "03:00"}
    assert ask("2026-03-29T01:30", open=[span]) == "closed on sun at 01:30 (Europe/Berlin); opens sun 2026-04-05 02:00 (Europe/Berlin)"


def test_clocks_back():
    """An hour that clocks show twice is in the window twice."""
    span = {"days": ["sun"], "from": "02:00", "to": "03:00"}
    assert [ask(at, open=[span]) for at in ("2026-10-25T00:30+00:00", "2026-10-25T01:30+00:00")] == [None, None]
    assert ask("2026-10-24T23:30+00:00", open=[span]) == (
        "closed on sun at 01:30 (Europe/Berlin); opens sun 2026-10-25 02:00 (Europe/Berlin)"
    )


@given(st.integers(0, 400 * 24 * 60), st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]))
def test_opens_when_told(minutes: int, zone: str):
    """What people are told is the first moment at which it is open."""
    windows = Windows.read({"timezone": zone, "open": [OFFICE, NIGHT], "holidays": ["2026-12-24"], "day_before_holiday": False})
    now = datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")) + timedelta(minutes=minutes)
    why = closed(windows, now)
    if why is None:
        return
    found = datetime.strptime(why.split("opens ")[1][4:20], "%Y-%m-%d %H:%M").replace(tzinfo=ZoneInfo(zone))
    assert closed(windows, found) is None
    assert closed(windows, found - timedelta(minutes=1)) is not None
