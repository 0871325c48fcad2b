"""The CLI above a provider's process, and the end of the process with it."""

from __future__ import annotations

import subprocess
import sys
import time
import types
from pathlib import Path

import psutil
import pytest

from sluice.systems import deployer
from tests.fixtures.front import wait

# A deployer that starts a provider, says its number, and waits; the provider holds one call until a file is there.
PROVIDER = """
import sys, threading, time
from pathlib import Path
from sluice.systems import deployer
deployer.LOOK = 0.05
deployer.watch()
deployer.watch()
with deployer.call():
    while not Path(sys.argv[1]).exists():
        time.sleep(0.02)
threading.Event().wait()
"""
DEPLOYER = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[2]])
print(child.pid, flush=True)
time.sleep(60)
"""


def test_the_deployer_is_the_cli(monkeypatch: pytest.MonkeyPatch):
    """Of the processes above, the one called pulumi counts; without one, the parent; without any, nobody."""

    class Above:
        def __init__(self, name: str) -> None:
            self.named = name

        def name(self) -> str:
            if not self.named:
                raise psutil.AccessDenied
            return self.named

    for names, wanted in ((["python", "sh", "", "pulumi", "bash"], "pulumi"), (["sh", "bash"], "sh"), ([], None)):
        above = [Above(name) for name in names]
        monkeypatch.setattr(psutil, "Process", lambda above=above: types.SimpleNamespace(parents=lambda: above))
        found = deployer.above()
        assert (found.named if found else None) == wanted  # type: ignore[attr-defined]


def test_ends_with_its_deployer(tmp_path: Path):
    """A provider whose deployer was killed ends the call that runs, then itself; with a deployer it stays."""
    done = tmp_path / "done"
    above = subprocess.Popen([sys.executable, "-c", DEPLOYER, PROVIDER, str(done)], stdout=subprocess.PIPE, text=True)
    assert above.stdout
    provider = psutil.Process(int(above.stdout.readline()))
    wait(lambda: provider.num_threads() > 1)
    time.sleep(0.3)
    assert provider.is_running()
    above.kill()
    above.wait()
    time.sleep(0.3)
    assert provider.is_running()
    done.touch()
    wait(lambda: deployer.gone(provider))
