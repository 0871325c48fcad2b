"""Durations as people write them: '30s', '15m', '1h30m', '500ms', '7d', or a number of seconds."""

from __future__ import annotations

import re
from typing import Any

UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
# From large to small, each at most once: '30m1h' is more likely a slip than a wish.
SHAPE = "".join(rf"(?:(\d+(?:\.\d+)?){unit})?" for unit in UNITS)
NUMBER = r"\d+(?:\.\d+)?"
# Nothing in a rollout takes a year; what is longer is a slip, or milliseconds.
LONGEST = 366 * UNITS["d"]
WRONG = "is not a duration of at most a year: write '30s', '15m', '1h30m', '500ms', '7d', or a number of seconds"


def seconds(given: Any) -> float:
    """Return a duration in seconds; ValueError says how to write one, without the value."""
    value = _number(given) if isinstance(given, int | float) else _parts(given)
    # Written so that a NaN is refused too.
    if value is None or not 0 <= value <= LONGEST:
        raise ValueError(WRONG)
    return value


def _number(given: float) -> float | None:
    # The comparison keeps integers beyond any float away from the conversion.
    return float(given) if not isinstance(given, bool) and 0 <= given <= LONGEST else None


def _parts(given: Any) -> float | None:
    if not isinstance(given, str) or not given:
        return None
    # `pulumi config set --path` writes 1.5 as a text.
    if re.fullmatch(NUMBER, given):
        return float(given)
    found = re.fullmatch(SHAPE, given)
    return sum(float(part or 0) * unit for part, unit in zip(found.groups(), UNITS.values(), strict=True)) if found else None


def text(value: float) -> str:
    """Write seconds the way they are configured: 5400 is '1h30m'."""
    left, parts = round(value * 1000), []
    for unit, size in UNITS.items():
        count, left = divmod(left, round(size * 1000))
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts) or "0s"
