"""Shares as people write them: '5%' or 0.05. A bare 5 could be either, and is refused."""

from __future__ import annotations

import re
from typing import Any

NUMBER = r"(\d+(?:\.\d+)?) ?(%?)"
RIGHT = "write '5%' or 0.05"
WRONG = f"is not a share: {RIGHT}"


def ratio(given: Any) -> float:
    """Return a share as a number from 0 to 1; ValueError says how to write one, without the value."""
    number, percent = _read(given)
    # Written so that a NaN is refused too.
    if number is None or not number >= 0:
        raise ValueError(WRONG)
    if number >= 1 and not percent:
        raise ValueError(f"is not clear, per cent or so many times the whole: {RIGHT}")
    if number > 100:
        raise ValueError(f"is more than the whole: {RIGHT}")
    return number / 100 if percent else float(number)


def _read(given: Any) -> tuple[float | None, bool]:
    if isinstance(given, int | float):
        return (None if isinstance(given, bool) else given), False
    # `pulumi config set --path` writes 0.05 as a text.
    found = re.fullmatch(NUMBER, given) if isinstance(given, str) else None
    return (float(found[1]), bool(found[2])) if found else (None, False)


def text(value: float) -> str:
    """Write a share the way it is configured: 0.05 is '5%'."""
    return f"{value * 100:g}%"
