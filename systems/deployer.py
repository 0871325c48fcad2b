"""Who drives a provider's process, the Pulumi CLI above it, and what becomes of the process once that is gone.

A killed CLI leaves its providers behind, and the engine's server never ends by itself. docs/decisions/0004-told-to-stop.md.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

# How often a process looks whether it still has a deployer, in seconds: rarely enough to cost nothing.
LOOK = 1.0
_calls, _lock = 0, threading.Lock()
_watching = threading.Event()


def above() -> psutil.Process | None:
    """Return the Pulumi CLI above this process: a shell stands between, and outlives the CLI."""
    import psutil

    ancestors = psutil.Process().parents()
    named = [process for process in ancestors if _name(process) == "pulumi"]
    return next(iter(named or ancestors), None)


def began() -> float | None:
    """Return when the deployer began, in seconds since the epoch; None when nobody knows."""
    from sluice.systems import process

    found = above()
    return process.started(found.pid) if found else None


def gone(process: psutil.Process) -> bool:
    """Say whether a process has ended, also one that nobody has waited for yet."""
    import psutil

    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@contextmanager
def call() -> Iterator[None]:
    """Keep the process for as long as the block runs: what a call has begun it ends, its way back too."""
    _count(1)
    try:
        yield
    finally:
        _count(-1)


def watch() -> None:
    """End this process once its deployer is gone and no call runs; called once by every provider when the engine loads it."""
    if not _watching.is_set():
        _watching.set()
        threading.Thread(target=_watch, name="deployer", daemon=True).start()


def _watch() -> None:
    deployer = above()
    while deployer and not (gone(deployer) and _idle()):
        time.sleep(LOOK)
    if deployer:
        # Without cleaning up: the main thread waits for ever, and nothing is under way.
        os._exit(0)


def _idle() -> bool:
    with _lock:
        return not _calls


def _count(change: int) -> None:
    global _calls
    with _lock:
        _calls += change


def _name(process: psutil.Process) -> str:
    import psutil

    try:
        return process.name()
    except psutil.Error:
        return ""
