"""A crowd: a thread for each of several questions that are put at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

# All checks of a gate are asked at once, up to this many; more wait for a free place.
CROWD = 50


@contextmanager
def crowd(size: int) -> Iterator[ThreadPoolExecutor]:
    """Give a thread to each check; who leaves early does not wait for answers that are still on their way."""
    pool = ThreadPoolExecutor(max_workers=max(1, min(size, CROWD)))
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
