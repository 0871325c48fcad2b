"""From a deployer to the keeper, and the keeper as the program that a runtime runs, beside a real Envoy."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sluice.core.clock import SystemClock
from sluice.core.errors import GateFailed
from sluice.systems import splits
from sluice.systems.climb import Climb
from tests.fixtures.front import Front, wait
from tests.test_systems_keeper import ended, keep, keeping, load, rollout, served, serving, weight

__all__ = ["served"]
pytestmark = pytest.mark.embedded

# from a deployer to the keeper


def climb(front: Front, **more: Any) -> Climb:
    return Climb(rollout(front, until=10, **more), splits.open(front.split), SystemClock())


def test_handed_over(served: Front):
    """A climb that goes to 10 % ends when the keeper has it: with the same owner and weight, and with how long it will be held."""
    with load(served), keeping(served):
        one = climb(served, hold=60)
        lines = one.run()
        assert [line.split(":")[0] for line in lines] == ["10 %"]
        assert one.hold
        assert (one.hold.weight, one.hold.until - one.hold.since) == (10, 60)
        assert splits.open(served.split).kept(SystemClock().now(), one.split.owner)
        assert (weight(served), splits.open(served.split).get().owner) == (10, one.split.owner)


def test_held_again(served: Front):
    """The same release that is brought out again goes on with its hold, which becomes longer only by config."""
    with load(served), keeping(served):
        first, again, longer = climb(served, hold=60), climb(served, hold=60), climb(served, hold=90)
        for one in (first, again, longer):
            one.run()
            assert weight(served) == 10
        assert first.hold
        assert again.hold == first.hold
        assert longer.hold == first.hold.model_copy(update={"until": first.hold.since + 90})


def test_promoted(served: Front):
    """A release that goes on from where it is held begins at that step, and the keeper has nothing more to do."""
    with load(served), keeping(served):
        climb(served).run()
        lines = Climb(rollout(served), splits.open(served.split), SystemClock()).run()
        assert [line.split(":")[0] for line in lines] == ["10 %", "50 %", "100 %"]
        assert (serving(served), splits.open(served.split).seen().lease, ended(served)) == ({"web@2"}, None, "")


def test_a_hold_that_is_over(served: Front):
    """Bringing a release out again does not give it time that its hold has not."""
    with load(served), keeping(served):
        climb(served).run()
        text = r"failed at 10 %: its hold of 100ms is over: promote it in time, or raise sluice:rollout.hold; weight 0, web@1 serves"
        with pytest.raises(GateFailed, match=text):
            climb(served, hold=0.1).run()
    assert weight(served) == 0


def test_nobody_takes_over(served: Front, monkeypatch: pytest.MonkeyPatch):
    """Where no keeper answers, a climb that would end on the way goes back, and says so."""
    monkeypatch.setattr("sluice.systems.climb.ANSWER", 0.3)
    with load(served), pytest.raises(GateFailed, match="failed at 10 %: the keeper did not take over within 0 s: see its log; weight 0"):
        climb(served).run()
    assert (weight(served), splits.open(served.split).seen().lease) == (0, None)


# the program


@contextmanager
def program(front: Front, log: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run the keeper as a runtime does."""
    child = subprocess.Popen([sys.executable, "-m", "sluice.systems.keeper", json.dumps(front.split)], stdin=subprocess.DEVNULL, stdout=log)
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def test_told_to_stop(served: Front):
    """A keeper that is told to stop gives back what it judges, and ends."""
    with program(served) as child:
        lease = keep(served, SystemClock().now())
        wait(lambda: splits.open(served.split).kept(SystemClock().now(), lease.owner))
        os.kill(child.pid, signal.SIGTERM)
        assert child.wait(10) == 0
    assert (weight(served), serving(served)) == (0, {"web@1"})
    assert ended(served) == "canary of r2 failed at 10 %: the keeper was told to stop; weight 0, web@1 serves"


def test_killed_and_started_again(served: Front):
    """A killed keeper that is started again goes on judging from the plan; what happened meanwhile it finds."""
    with load(served):
        with program(served) as child:
            lease = keep(served, SystemClock().now())
            wait(lambda: splits.open(served.split).kept(SystemClock().now(), lease.owner))
            child.kill()
            child.wait()
        assert weight(served) == 10
        with program(served):
            wait(lambda: splits.open(served.split).kept(SystemClock().now(), lease.owner))
            assert weight(served) == 10
            (served.folder / "fault").touch()
            wait(lambda: weight(served) == 0, 10)


def test_nobody_reads_its_log(served: Front):
    """A keeper whose supervisor is dead has nobody to write its log to, and goes on all the same."""
    reader, log = os.pipe()
    with program(served, log) as child:
        os.close(log)
        os.close(reader)
        for _ in range(2):
            lease = keep(served, SystemClock().now(), seconds=1.5)
            wait(lambda owner=lease.owner: splits.open(served.split).get().owner != owner, 15)
            assert (weight(served), child.poll()) == (0, None)


def test_an_idle_keeper_is_small() -> None:
    """Most of the time there is no lease: nothing is imported for it that the keeper would not need."""
    heavy = ("pydantic", "httpx", "psutil", "psycopg", "pulumi")
    code = f"import sys, sluice.systems.keeper.__main__; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
