"""How a report writes times and counts."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from sluice.core.report.word import clock, count, share, span, when

AT = datetime(2026, 11, 24, 1, 2, 3, tzinfo=timezone(timedelta(hours=1)))


def test_utc():
    """Every time is UTC, whatever it was written in."""
    assert (when(AT), clock(AT)) == ("2026-11-24 00:02:03 UTC", "00:02:03")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.004, "4 ms"), (0.42, "0.42 s"), (3.21, "3.2 s"), (12.4, "12 s"), (59.9, "1 min"), (185, "3 min 5 s"),
     (7800, "2 h 10 min"), (86400, "1 d"), (97200, "1 d 3 h")],
)  # fmt: skip
def test_span(seconds: float, text: str):
    """A duration has its two largest units."""
    assert span(seconds) == text


def test_count():
    """One thing is no plural, and thousands are set apart."""
    assert (count(1, "request"), count(12345, "request")) == ("1 request", "12\u202f345 requests")
    assert (share(1, 8), share(0, 0)) == ("12.5 %", "-")
