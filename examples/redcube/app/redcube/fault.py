"""What is wrong with each version, on purpose and all in one place. Every version not named here is sound.

    1.2.0   12 of each hundred lists of more than one experience fail
    1.3.0   10 of each hundred requests take FAULT_SLOW_SECONDS longer (6)
    1.5.0   each FAULT_LEAK_EVERY-th request (10) leaves a database connection open
    1.6.0   3 of each hundred lists of more than one experience fail

Only the content service has them, and /health and /slow never do: these are the faults that health checks do not see. Errors spare
lists of one, which is all that the smoke tests ask for, so such a version comes as far as real traffic every time, and not by luck.
"""

from __future__ import annotations

import itertools
import os
import time
from dataclasses import dataclass
from typing import Any

import psycopg

from redcube.version import VERSION


@dataclass(frozen=True)
class Fault:
    """How often: `errors` and `slow` of each hundred; `leak`, every so many requests (0: never)."""

    errors: int = 0
    slow: int = 0
    leak: int = 0


FAULTS = {
    "1.2.0": Fault(errors=12),
    "1.3.0": Fault(slow=10),
    "1.5.0": Fault(leak=int(os.environ.get("FAULT_LEAK_EVERY", "10"))),
    "1.6.0": Fault(errors=3),
}
FAULT = FAULTS.get(VERSION, Fault())
SECONDS = float(os.environ.get("FAULT_SLOW_SECONDS", "6"))
# It has no factor in common with 100, so each hundred has its exact share, spread about.
STRIDE = 61

requests, lists = itertools.count(1), itertools.count(1)
leaked: list[psycopg.Connection[Any]] = []


class Broken(Exception):
    """The list's paging is broken in this version."""


def anywhere() -> None:
    """Go wrong the way any request of this version can."""
    number = next(requests)
    if number * STRIDE % 100 < FAULT.slow:
        time.sleep(SECONDS)
    if FAULT.leak and number % FAULT.leak == 0:
        leaked.append(psycopg.connect())


def listing(limit: int) -> None:
    """Go wrong the way a list of this version can."""
    if limit > 1 and next(lists) * STRIDE % 100 < FAULT.errors:
        raise Broken(f"no page of {limit}")
