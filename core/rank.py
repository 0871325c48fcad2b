"""The order of names that hold numbers: revisions, and what follows the numbers of a version."""

from __future__ import annotations

import re

Rank = tuple[tuple[int, int, str], ...]


def rank(name: str) -> Rank:
    """Return what names are ordered by: runs of digits as numbers, so that 10 comes after 9 and 0007 is 7; numbers before letters."""
    runs = re.findall(r"\d+|\D+", name)
    return tuple((0, int(run), "") if run.isdigit() else (1, 0, run) for run in runs)
