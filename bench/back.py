"""How long the way back to the previous release takes, from the command's start to its end, and what it costs in requests."""

from __future__ import annotations

from functools import partial
from statistics import median

from bench.load import Load
from bench.measure import Measure, say, took
from bench.stack import deployed, done
from bench.traffic import MIX
from tests.fixtures.engine import PROGRAM, QUICK, Engine
from tests.fixtures.sluice import sluice

# Runbook 004 says 30 s to 2 min.
LIMIT = 5.0
RATE = 100.0


def measure(runs: int) -> Measure:
    """Go back and forth between two proven releases inside the rollback window, by `sluice rollback`, under load."""
    with deployed(PROGRAM, "test", {"sluice:release": {"version": "1"}, "sluice:rollout": QUICK}) as engine:
        with Load(engine.url, MIX, rate=RATE) as load:
            engine.release("2")
            done(engine, "up", "--yes", "--skip-preview")
            found = []
            for run in range(1, runs + 1):
                found.append(took(partial(_back, engine, str(run % 2 or 2))))
                say(f"  {run}/{runs}: {found[-1]:.2f} s")
        failed, total = load.tally.failed, load.tally.total
    lost = f"{failed} of {total} requests failed"
    return Measure("return_s", round(median(found), 2), "s", f"at most {LIMIT:g}; the longest of {runs} took {max(found):.1f}; {lost}")


def _back(engine: Engine, version: str) -> None:
    result = sluice(engine, "rollback", "--to", version, "--yes")
    if not result.ok:
        raise RuntimeError(f"`sluice rollback --to {version}` exited with {result.code}, expected 0:\n{result.out}")
