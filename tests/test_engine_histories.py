"""Random histories of a real stack: after each event the way back leads to the newest proven release, and brings its bytes again.

SLUICE_EVENTS is how many events (a few when not given, so that a test run stays short), SLUICE_EVENTS_SEED which ones; both are printed,
so that a failure can be had again.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from dataclasses import dataclass, field

import pytest

from sluice.core.record import Record
from sluice.history.pulumi import Pulumi
from sluice.history.stack import look
from tests.fixtures.engine import Engine
from tests.fixtures.matrix import OFF
from tests.fixtures.sluice import blocks, sluice, told

pytestmark = [pytest.mark.engine, pytest.mark.kills]
COUNT = int(os.environ.get("SLUICE_EVENTS", "7"))
SEED = int(os.environ.get("SLUICE_EVENTS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
EVENTS = ("good", "good", "good", "bad", "bad", "refresh", "import", "killed", "back", "hand")


@dataclass
class Story:
    """A stack and what it has come to: `proven` are ids with the block that proved each, newest first, by our own book-keeping."""

    engine: Engine
    dice: random.Random = field(default_factory=lambda: random.Random(SEED))
    version: int = 0
    proven: dict[str, str] = field(default_factory=dict)
    born: list[str] = field(default_factory=list)
    left: set[str] = field(default_factory=set)

    def good(self) -> None:
        """Prove a release."""
        self.version += 1
        self.engine.release(f"1.{self.version}", web={"N": str(self.dice.randint(0, 9)), "Z": "007"})
        done = self.engine.up()
        assert done.ok, done.out
        self._proved()

    def bad(self) -> None:
        """Let one fail."""
        self.version += 1
        self.engine.release(f"1.{self.version}", web={"CRASH": "no"})
        assert not self.engine.up().ok

    def refresh(self) -> None:
        """Succeed without proving anything, with whatever config there is."""
        assert self.engine.run("refresh", "--yes", "--skip-preview").ok

    def imported(self) -> None:
        """Import the stack's own state."""
        state = self.engine.place / "state.json"
        state.write_text(self.engine.run("stack", "export").out)
        assert self.engine.run("stack", "import", "--file", str(state)).ok

    def killed(self) -> None:
        """Kill the CLI somewhere in a release."""
        self.version += 1
        self.engine.release(f"1.{self.version}", web={"CRASH": "no"})
        with self.engine.updating() as child:
            time.sleep(self.dice.uniform(0.5, 4))
            os.killpg(child.pid, signal.SIGKILL)
        self.engine.cancel()

    def back(self) -> None:
        """Go back to where the plan leads; a second time nobody is led any further."""
        made = told(self.engine, "plan")
        done = sluice(self.engine, "rollback", "--yes")
        assert done.ok == (made["action"] == "code only"), done.out
        if done.ok:
            assert blocks(self.engine)[-1] == self.proven[made["target"]]
            self.left = (self.left | {made["failing"]}) - {made["target"]}
            self._proved()
            assert told(self.engine, "plan")["refusals"][0].endswith("name a release with --to")

    def hand(self) -> None:
        """Bring out by plain Pulumi what was proven before: the older one of two leaves the newer one, and not the other way round."""
        live, *others = self.proven
        if not others:
            return
        id = self.dice.choice(others)
        self.engine.configure("sluice:release", json.loads(self.proven[id]))
        done = self.engine.up()
        assert done.ok, done.out
        self._proved()
        if self.born.index(id) < self.born.index(live):
            self.left.add(live)
            assert told(self.engine, "plan")["refusals"][0].endswith("name a release with --to")

    def _proved(self) -> None:
        record = Record.parse(self.engine.outputs()["proven"][0])
        block = self.proven.pop(record.id, None) or blocks(self.engine)[-1]
        self.proven = {record.id: block, **self.proven}
        self.born += [] if record.id in self.born else [record.id]
        self.left.discard(record.id)

    def look(self, event: str) -> None:
        """Compare all that the command knows with our own book-keeping."""
        seen = look(Pulumi(self.engine.folder, self.engine.stack))
        assert {past.id: past.config for past in seen.pasts} == self.proven
        assert [past.id for past in seen.pasts] == list(self.proven)
        target = seen.aim.target.id if seen.aim.target else None
        live = next(iter(self.proven), None)
        if seen.configured != live:
            assert target == live
        elif event not in ("back", "hand") and target:
            assert target == next(id for id in self.proven if id != live and id not in self.left)


def test_random_histories(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    """Good, failed, refreshed, imported, killed updates and rollbacks in any order: the newest proven release, byte for byte."""
    print(f"\nSLUICE_EVENTS={COUNT} SLUICE_EVENTS_SEED={SEED}")
    for key in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE"):
        monkeypatch.setenv(key, engine.env[key])
    engine.rollout(ladder=[100], soak="300ms", samples=0, checks=OFF)
    story = Story(engine)
    events = ["good", *(story.dice.choice(EVENTS) for _ in range(COUNT))]
    for event in events:
        print(event, flush=True)
        getattr(story, {"import": "imported"}.get(event, event))()
        story.look(event)
