"""The kinds of values, in the forms that the engine and its CLI hand over."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from sluice.core.settings import kind


@pytest.mark.parametrize(
    ("of", "given", "wanted"),
    [
        (kind.Version, 20261127, "20261127"),
        (kind.Version, "1.2.0-rc.1+build_5", "1.2.0-rc.1+build_5"),
        (kind.Plain, 8080, "8080"),
        (kind.Plain, False, "false"),
        (kind.Plain, "", ""),
        (kind.Whole, 10.0, 10),
        (kind.Size, "500MB", 500_000_000),
        (kind.Time, "2026-11-03T09:00:00Z", datetime.fromisoformat("2026-11-03T09:00:00+00:00")),
        (kind.Time, "2026-11-03 09:00:00 +0100 +0100", datetime.fromisoformat("2026-11-03T09:00:00+01:00")),
        (kind.Time, "2026-11-03 09:00:00.5 +0000 UTC", datetime.fromisoformat("2026-11-03T09:00:00+00:00")),
        (kind.Day, "2026-12-24", date(2026, 12, 24)),
        (kind.Day, "2026-12-24 00:00:00 +0000 UTC", date(2026, 12, 24)),
        (kind.Clock, "00:00", 0),
        (kind.Clock, "24:00", 1440),
        (kind.Zone, "Europe/Berlin", "Europe/Berlin"),
        (kind.Reference, "file:/run/secrets/hook url", "file:/run/secrets/hook url"),
    ],
)
def test_read(of: Any, given: Any, wanted: Any):
    """A value is read from every form that the engine gives it: numbers, doubles, and Go's way to write a time."""
    assert TypeAdapter(of).validate_python(given) == wanted


@pytest.mark.parametrize(
    ("of", "given"),
    [
        (kind.Version, True), (kind.Version, "1.2\n"), (kind.Version, "a" * 65), (kind.Plain, None), (kind.Whole, float("inf")),
        (kind.Time, "2026-11-03"), (kind.Time, "tomorrow"), (kind.Day, "2026-12-24 09:00:00 +0000 UTC"),
        (kind.Day, 5), (kind.Clock, "24:01"), (kind.Clock, 960),
        (kind.Zone, ""), (kind.Zone, "../etc"), (kind.Zone, 5), (kind.Zone, "Europe"),
        (kind.Zone, "a" * 300), (kind.Text, "a\x1b[2J"), (kind.Text, " a"), (kind.Reference, "env:"),
        (kind.Reference, "file:relative"), (kind.Reference, None), (kind.Digest, "sha256:" + "A" * 64), (kind.StackName, "a/b/c/d"),
    ],
)  # fmt: skip
def test_refused(of: Any, given: Any):
    """What is nearly right is refused."""
    with pytest.raises(ValidationError):
        TypeAdapter(of).validate_python(given)


def test_time_of_day():
    """Minutes since midnight are written as they are configured."""
    assert [kind.time_of_day(minutes) for minutes in (0, 545, 1440)] == ["00:00", "09:05", "24:00"]
