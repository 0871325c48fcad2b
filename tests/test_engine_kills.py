"""Anything may die at any moment: after a plain `up` or two all is as configured, and nothing is left over.

SLUICE_KILLS is how many kills (a few when not given, so that a test run stays short; a release wants 50),
SLUICE_KILLS_SEED which ones; both are printed, so that a failure can be had again.
"""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from sluice.runtimes.process import ports
from sluice.runtimes.process.folder import Folder
from sluice.systems import process
from tests.fixtures.engine import Engine
from tests.fixtures.somebody import Somebody
from tests.fixtures.whole import declared, orphans, running

pytestmark = [pytest.mark.engine, pytest.mark.embedded, pytest.mark.kills]
COUNT = int(os.environ.get("SLUICE_KILLS", "4"))
SEED = int(os.environ.get("SLUICE_KILLS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
# Another user's kills cost the same again.
OTHERS = max(1, COUNT if "SLUICE_KILLS" in os.environ else COUNT // 2)
VICTIMS = ("service", "service", "envoy", "keeper", "supervisord", "postgres", "cli", "cli", "deployer")
# An update with its canary takes about this long here, in seconds; later kills hit what is at rest.
UPDATE = 9.0
SERVER = "secret-database-server"
BAD = {"FAIL_RATE": "0.4"}
QUICK = [{"weight": weight, "soak": "500ms", "samples": 5} for weight in (20, 100)]


def test_random_kills(storm: Storm) -> None:
    """Services, Envoy, supervisord, PostgreSQL and the CLI die before, during and after updates: plain updates bring all back."""
    print(f"\nSLUICE_KILLS={COUNT} SLUICE_KILLS_SEED={SEED} as user {os.geteuid()}")
    while storm.killed < COUNT:
        storm.round()
    print(f"{storm.killed} kills in {storm.rounds} rounds, {storm.repeated} of them with a second `up`")


def test_random_kills_as_a_normal_user(somebody: Somebody) -> None:
    """The same holds for a normal user."""
    words = ["-m", "pytest", f"{__file__}::test_random_kills", "-q", "-s", "-p", "no:cacheprovider"]
    run = somebody.run(*words, timeout=3 * 3600, SLUICE_KILLS=str(OTHERS), SLUICE_KILLS_SEED=str(SEED))
    print(run.stdout)
    assert run.returncode == 0, run.stdout
    assert "1 passed" in run.stdout


@dataclass
class Storm:
    """A stack under kills: each round is one update of some kind, with up to three deaths around it."""

    engine: Engine
    dice: random.Random = field(default_factory=lambda: random.Random(SEED))
    killed: int = 0
    rounds: int = 0
    repeated: int = 0
    version: int = 1
    live: dict[str, Any] = field(default_factory=dict)

    def round(self) -> None:
        """Kill around one update, mend with plain updates, and look at everything."""
        self.rounds += 1
        kind = self.dice.choice(("good", "bad", "config", "none")) if self.live else "good"
        wanted = self._wanted(kind)
        deaths = sorted((self.dice.uniform(-1, UPDATE), self.dice.choice(VICTIMS)) for _ in range(self.dice.randint(1, 3)))
        print(f"round {self.rounds}: {kind}, {', '.join(f'{victim} at {at:.1f} s' for at, victim in deaths)}", flush=True)
        self._release(wanted)
        if self.live:
            with self.engine.load(rate=60):
                self._update(deaths)
                self._mend(wanted if kind != "bad" else None)
        else:
            self._update(deaths)
            self._mend(wanted)
        self._look()

    def _wanted(self, kind: str) -> dict[str, Any]:
        self.version += kind in ("good", "bad")
        settings = {"bad": BAD, "config": {"ROUND": str(self.rounds)}, "good": {}}
        return self.live if kind == "none" else {"version": str(self.version), "web": settings[kind]}

    def _release(self, wanted: dict[str, Any]) -> None:
        self.engine.release(wanted["version"], **({"web": wanted["web"]} if wanted["web"] else {}))

    def _update(self, deaths: list[tuple[float, str]]) -> None:
        """Update, with the deaths at their seconds from its start, those before it first."""
        for _, victim in (death for death in deaths if death[0] < 0):
            self._kill(victim, None)
        with self.engine.updating() as update:
            begun = time.monotonic()
            for at, victim in (death for death in deaths if death[0] >= 0):
                time.sleep(max(0.0, begun + at - time.monotonic()))
                self._kill(victim, update.pid)

    def _kill(self, victim: str, update: int | None) -> None:
        pids = self._pids(victim, update)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.killed += bool(pids)

    def _pids(self, victim: str, update: int | None) -> list[int]:
        """Return whom to kill; nobody, when the victim does not live at this moment."""
        if victim in ("cli", "deployer"):
            one = psutil.Process(update) if update and psutil.pid_exists(update) else None
            return (
                [] if one is None else [one.pid, *([child.pid for child in one.children(recursive=True)] if victim == "deployer" else [])]
            )
        folder = self._folder()
        if folder is None:
            return []
        programs = [folder.pidfile(name) for name in self.engine.programs()]
        pidfile = {
            "service": self.dice.choice(programs) if programs else Path("/nonexistent"),
            "envoy": folder.pidfile("front"),
            "keeper": folder.pidfile("keeper"),
            "supervisord": folder.pidfile("supervisord"),
            "postgres": folder.server(SERVER) / "data" / "postmaster.pid",
        }[victim]
        pid = process.owner(pidfile)
        return [pid] if pid else []

    def _folder(self) -> Folder | None:
        root = self.engine.home / "secret-test"
        return Folder(root) if root.exists() else None

    def _mend(self, wanted: dict[str, Any] | None) -> None:
        """Bring about what is wanted; after a bad release, what was live before it."""
        self.engine.cancel()
        if wanted is None:
            self._release(self.live)
        first = self.engine.up()
        if not first.ok:
            # What dies after an update has looked at it is found by the next.
            self.repeated += 1
            again = self.engine.up()
            assert again.ok, f"{first.out}\n--- and again:\n{again.out}"
        self.live = wanted or self.live

    def _look(self) -> None:
        """Everything declared runs and answers, traffic is where outputs say, nothing else is there, and nothing is left to do."""
        engine, folder = self.engine, self._folder()
        assert folder is not None
        outputs = engine.outputs()
        assert outputs["live"]["version"] == self.live["version"]
        assert engine.serving(count=10) == engine.serving("/api/", count=10) == {self.live["version"]}
        assert engine.share.weight in (0, 100)
        serving = {next(iter(engine.share.weights(route))) for route in engine.share.routes}
        assert serving == {built["name"] for built in outputs["live"]["services"].values()}
        wanted = declared(engine)
        assert set(engine.programs()) == wanted
        assert running(folder) == wanted | {"front", "keeper"}
        for name in wanted:
            assert (
                httpx.get(f"http://127.0.0.1:{ports.known(folder)[name]}/health").headers["x-version"] == name.split("@")[1].split("-")[0]
            )
        # The providers of a killed CLI look once a second whether they still have a deployer.
        engine.wait(lambda: not orphans(engine, folder, SERVER), 15)
        again = engine.up("--expect-no-changes")
        assert again.ok, again.out


@pytest.fixture
def storm(planted: Engine) -> Storm:
    planted.rollout(ladder=QUICK)
    return Storm(planted)
