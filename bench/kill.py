"""How long a feature goes on being used once somebody has decided to switch it off, in seconds from the command's start."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import httpx

from bench.load import Ask, Load
from bench.measure import Measure, say
from bench.stack import deployed, done
from tests.fixtures.engine import Engine, checkout

REPO = Path(__file__).resolve().parent.parent
# Runbook 004 says 5 to 30 s.
LIMIT = 1.0
RATE = 100.0
FEATURE, PATH, OFF = "UGC_ANALYSIS", "/api/content/analyze-single/text", 404
# Users who ask for the feature, and how many seconds each waits before the next time: that is how exact the figure is.
USERS, PAUSE = 4, 0.02
# Nothing more of the feature is expected after this.
QUIET = 1.0


def measure(runs: int) -> Measure:
    """Switch a feature of the demo's own stack off and on, by the command of the README, under load."""
    place = checkout()
    try:
        shutil.copy(REPO / "Pulumi.staging.yaml", place)
        with deployed(place, "staging") as engine, Load(engine.url, [Ask("GET", "/api/content/experiences")], rate=RATE) as load:
            found = [_off(engine, run, runs) for run in range(1, runs + 1)]
        lost = f"{load.tally.failed} of {load.tally.total} other requests failed"
    finally:
        shutil.rmtree(place)
    return Measure("kill_switch_s", round(median(found), 2), "s", f"at most {LIMIT:g}; the longest of {runs} took {max(found):.2f}; {lost}")


def _off(engine: Engine, run: int, runs: int) -> float:
    _switch(engine, "on")
    with using(engine.url) as seen:
        begun = time.monotonic()
        _switch(engine, "off")
        time.sleep(QUIET)
    if OFF not in seen.counts or len(seen.counts) < 2:
        raise RuntimeError(f"'{FEATURE}' was answered with {dict(seen.counts)}, expected another answer first, and {OFF} at the end")
    took = seen.last - begun
    say(f"  {run}/{runs}: {took:.2f} s, {sum(seen.counts.values())} requests for it")
    return took


def _switch(engine: Engine, to: str) -> None:
    flags = done(engine, "stack", "output", "flags").strip()
    command = [sys.executable, "-m", "sluice.systems.flags", flags, FEATURE, to, "--stack", engine.stack]
    subprocess.run(command, cwd=engine.folder, env=engine.env, check=True, capture_output=True)


class Seen:
    """What users were answered: `counts` by status, `last` when the feature answered for the last time."""

    def __init__(self, url: str) -> None:
        self.url, self.counts, self.last = url, Counter[int](), 0.0
        self.ended = threading.Event()

    def ask(self) -> None:
        """Ask until told to end."""
        with httpx.Client(base_url=self.url) as client:
            while not self.ended.is_set():
                status = client.post(PATH, json={"text": "a walk along the canal"}).status_code
                self.counts[status] += 1
                if status != OFF:
                    self.last = max(self.last, time.monotonic())
                time.sleep(PAUSE)


@contextmanager
def using(url: str) -> Iterator[Seen]:
    """Let users ask for the feature while the block runs."""
    seen = Seen(url)
    users = [threading.Thread(target=seen.ask) for _ in range(USERS)]
    for user in users:
        user.start()
    try:
        yield seen
    finally:
        seen.ended.set()
        for user in users:
            user.join()
