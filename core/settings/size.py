"""Sizes as people write them: '500MB', '1.5GB', '512MiB', or a number of bytes."""

from __future__ import annotations

import re
from typing import Any

# As `docker image ls` counts, and as memory is counted.
UNITS = {"TB": 10**12, "GB": 10**9, "MB": 10**6, "kB": 10**3, "TiB": 2**40, "GiB": 2**30, "MiB": 2**20, "KiB": 2**10, "B": 1}
SHAPE = rf"(\d+(?:\.\d+)?) ?({'|'.join(UNITS)})?"
# A thousand disks; what is larger is a slip.
LARGEST = 10**15
WRONG = "is not a size of at most 1000TB: write '500MB', '1.5GB', '512MiB', or a number of bytes"


def count(given: Any) -> int:
    """Return a size in bytes; ValueError says how to write one, without the value."""
    value = _number(given)
    # Written so that a NaN is refused too.
    if value is None or not 0 <= value <= LARGEST:
        raise ValueError(WRONG)
    return round(value)


def _number(given: Any) -> float | None:
    if isinstance(given, int | float):
        return None if isinstance(given, bool) else given
    # `pulumi config set --path` writes some numbers as text.
    found = re.fullmatch(SHAPE, given) if isinstance(given, str) else None
    return float(found[1]) * UNITS[found[2] or "B"] if found else None


def text(size: int) -> str:
    """Write bytes the way they are configured: 500000000 is '500MB'."""
    unit = next((unit for unit, one in UNITS.items() if size >= one and size % one == 0), "B")
    return f"{size // UNITS[unit]}{unit}"


def seen(size: int) -> str:
    """Write bytes as an engine shows them, to three figures: 290132411 is '290MB'."""
    unit = next((unit for unit in ("TB", "GB", "MB", "kB") if size >= UNITS[unit]), "B")
    return f"{size / UNITS[unit]:.3g}{unit}" if size < 999.5 * UNITS[unit] else f"{size / UNITS[unit]:.0f}{unit}"
