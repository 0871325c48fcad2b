"""How a long call notices that its deployer is gone, or that it was told to stop."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import psutil
import pytest

from sluice.core.errors import Interrupted
from sluice.hooks import stop
from sluice.hooks.stop import SLICE, Stop, WatchedClock


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a flag of its own, which nobody has set."""
    monkeypatch.setattr(stop, "CANCELLED", threading.Event())


def child() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def test_all_is_well():
    """Without a reason to stop a check does nothing, and a clock waits as long as it was told."""
    there = Stop()
    there.check()
    begun = time.monotonic()
    WatchedClock(there).wait(2.5 * SLICE)
    assert time.monotonic() - begun >= 2.5 * SLICE
    assert abs(WatchedClock(there).now() - time.time()) < 5


def test_signs():
    """While a call waits it says so in every slice, and no more once it has a reason to stop."""
    signs: list[float] = []
    there = Stop()
    WatchedClock(there, signs.append).wait(2.5 * SLICE)
    assert len(signs) >= 3
    assert signs == sorted(signs)
    stop.CANCELLED.set()
    count = len(signs)
    with pytest.raises(Interrupted):
        WatchedClock(there, signs.append).wait(60)
    assert len(signs) == count


def test_told_to_stop():
    """The engine's Cancel ends a wait within a slice, with a sentence."""
    clock = WatchedClock(Stop())
    threading.Timer(SLICE, stop.CANCELLED.set).start()
    begun = time.monotonic()
    with pytest.raises(Interrupted, match=r"^told to stop$"):
        clock.wait(60)
    assert time.monotonic() - begun < 1


def test_the_deployer_is_gone():
    """A deployer that has ended ends a wait."""
    there, deployer = Stop(), child()
    there.deployer = psutil.Process(deployer.pid)
    there.check()
    end(deployer)
    with pytest.raises(Interrupted, match=r"^the deployer is gone$"):
        WatchedClock(there).wait(0)


def test_a_deployer_that_nobody_waited_for():
    """A deployer that was killed, and whose own parent has not noticed, is gone all the same."""
    there, deployer = Stop(), child()
    there.deployer = psutil.Process(deployer.pid)
    deployer.kill()
    try:
        while there.deployer.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        with pytest.raises(Interrupted, match=r"^the deployer is gone$"):
            there.check()
    finally:
        end(deployer)


def test_spoken_once():
    """A reason is told once: the way back is not interrupted by what it goes back for."""
    there = Stop()
    stop.CANCELLED.set()
    with pytest.raises(Interrupted):
        there.check()
    there.check()
    WatchedClock(there).wait(0)


def test_a_reason_is_seen_without_waiting():
    """A wait of no time looks up too."""
    stop.CANCELLED.set()
    with pytest.raises(Interrupted):
        WatchedClock(Stop()).wait(0)


def test_listens_to_the_engine(monkeypatch: pytest.MonkeyPatch):
    """The provider's Cancel, which does nothing by itself, sets the flag once somebody watches, also where it was handed out before."""

    class DynamicResourceProviderServicer:
        def Cancel(self, request: object, context: object) -> None:
            return None

    handed = DynamicResourceProviderServicer().Cancel
    monkeypatch.setattr(sys.modules["__main__"], "DynamicResourceProviderServicer", DynamicResourceProviderServicer, raising=False)
    there = Stop()
    assert type(handed(None, None)).__name__ == "Empty"
    with pytest.raises(Interrupted, match=r"^told to stop$"):
        there.check()


def test_a_server_that_looks_different(monkeypatch: pytest.MonkeyPatch):
    """Where the SDK's server has no such method, the other signs remain and nothing breaks."""
    monkeypatch.setattr(sys.modules["__main__"], "DynamicResourceProviderServicer", object(), raising=False)
    Stop().check()
