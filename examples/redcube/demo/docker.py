"""The walk through containers: a canary to the top, one that is stopped, one that somebody aborts, and a way back, under load."""

from __future__ import annotations

import subprocess
import sys
import time

from examples.redcube.demo.stacks import PROGRAM
from examples.redcube.demo.traffic import Phases, load
from examples.redcube.demo.walk import Row, Walk, title

ABORT = ["sluice", "abort", "--message", "the demo", "--stack", "production"]


class Contained(Walk):
    """What is told of it: how many requests failed in each phase."""

    def run(self) -> None:
        """Walk through it; 1.1.0 has a migration, 1.2.0 fails requests, and with 1.9.0 nothing is wrong."""
        self.begin()
        with load() as running:
            phases = Phases(running.tally)
            with phases.of("up"):
                self.release("1.1.0")
            with phases.of("canary"):
                self.release("1.2.0", bad=True)
            with phases.of("abort"):
                self.release("1.9.0", bad=True, seen=self.abort)
            with phases.of("rollback"):
                self.rollback("1.0.0")
            tally = running.stop()
        self.close(tally, phases.lines())

    def abort(self, weight: int) -> None:
        """Take the first traffic that it gets, as a person would who has seen enough."""
        if not weight:
            return
        print(f"  {' '.join(ABORT)}", flush=True)
        begun = time.monotonic()
        done = subprocess.run(ABORT, cwd=PROGRAM, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        took, left = time.monotonic() - begun, self.weight("production")[1]
        if done.returncode or left:
            sys.exit(f"the abort ended with exit code {done.returncode} and weight {left}, expected 0 and 0:\n{done.stdout}{done.stderr}")
        self.rows.append(Row(f"sluice abort, at {weight} %", "all traffic on the live version", took))

    def rollback(self, version: str) -> None:
        """Go back to a proven release that still runs, from stack history."""
        argv = ["sluice", "rollback", "--to", version, "--yes"]
        title(f"back to {version}:  {' '.join(argv)} --stack production")
        begun = time.monotonic()
        code, said = self.watch("production", argv)
        if code:
            sys.exit(f"the rollback ended with exit code {code}, expected 0:\n{said}")
        self.rows.append(Row(f"back to {version}, under load", "green", time.monotonic() - begun))
