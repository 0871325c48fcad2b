"""Ctrl-C while a verb waits."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from sluice.cli.stop import Patient
from sluice.core.errors import Interrupted


@pytest.fixture
def patient() -> Iterator[Patient]:
    """Return a clock that hears Ctrl-C; afterwards the test runner does again."""
    before = signal.getsignal(signal.SIGINT)
    yield Patient()
    signal.signal(signal.SIGINT, before)


def test_told_once(patient: Patient):
    """The first Ctrl-C ends the next wait; cleaning up may wait then."""
    patient.wait(0)
    os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(Interrupted, match=r"^told to stop: nothing was changed$"):
        patient.wait(60)
    begun = time.monotonic()
    patient.wait(0.02)
    assert time.monotonic() - begun >= 0.02


def test_told_twice(patient: Patient):
    """The second one ends it at once."""
    os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
