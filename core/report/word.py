"""Times and counts as a report writes them."""

from __future__ import annotations

from datetime import UTC, datetime

MINUTE, HOUR, DAY = 60, 3600, 86400


def when(at: datetime) -> str:
    """Write a day and a time in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def clock(at: datetime) -> str:
    """Write a time of a day in UTC."""
    return f"{at.astimezone(UTC):%H:%M:%S}"


def span(seconds: float) -> str:
    """Write a duration in its two largest units: 4 ms, 0.42 s, 12 s, 3 min 5 s, 2 h 10 min, 1 d 3 h."""
    if seconds < 0.1:
        return f"{round(1000 * seconds)} ms" if seconds else "0 s"
    if seconds < 10:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, size, smaller, part in (("d", DAY, "h", HOUR), ("h", HOUR, "min", MINUTE), ("min", MINUTE, "s", 1)):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"


def count(number: int, word: str) -> str:
    """Write a number of things, with thin spaces between thousands."""
    return f"{number:,}".replace(",", "\u202f") + f" {word}{'' if number == 1 else 's'}"


def share(part: int, whole: int) -> str:
    """Write a part of a whole in per cent; a dash of nothing."""
    return f"{100 * part / whole:.1f} %" if whole else "-"
