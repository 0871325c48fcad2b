"""How the demo walks: updates that it watches, and a closing table of what became of each."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.load import Tally
from examples.redcube.demo.runtime import Runtime
from examples.redcube.demo.stacks import PLACE, PROGRAM, STACKS, approve, configure, output, prepare, quicken

# Revisions of the user database: 0001 keeps the copy of users in step, 0004 breaks on any user.
SCHEMA = "sluice:release.schema.redcube_users"
# How often the splitter is looked at; and where there is none yet, until its stack has one.
BLINK, WAIT = 0.1, 1.0
UPDATE = ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive"]


@dataclass
class Row:
    """One line of the closing table."""

    what: str
    result: str
    seconds: float


@dataclass
class Walk:
    """What has happened so far, on stacks that run in `runtime`."""

    runtime: Runtime
    rows: list[Row] = field(default_factory=list)

    def begin(self, *, early: bool = False) -> None:
        """Bring both stacks up with 1.0.0, production `early` as well: before anybody has approved it."""
        prepare(self.runtime)
        self.up("staging", "1.0.0 to staging")
        quicken()
        if early:
            self.refused("production", "1.0.0 to production, not approved")
        approve("production")
        self.up("production", "1.0.0 to production")

    def release(self, version: str, *, bad: bool = False, seen: Callable[[int], None] | None = None) -> None:
        """Take a version to staging, then to production; `seen` is called with each weight that it gets there."""
        for stack in STACKS:
            configure(stack, {"sluice:release.version": version, SCHEMA: "0001"})
        self.up("staging", f"{version} to staging")
        approve("production")
        self.up("production", f"{version} to production, under load", bad=bad, seen=seen)

    def back(self, version: str) -> None:
        """Write the proven version back: nothing has to be rolled back, as nothing else has the traffic."""
        configure("production", {"sluice:release.version": version})
        self.up("production", f"config set back to {version}")

    def up(self, stack: str, what: str, *, bad: bool = False, seen: Callable[[int], None] | None = None) -> None:
        """Update a stack and note how it went."""
        title(f"{what}:  pulumi up --stack {stack}")
        begun = time.monotonic()
        code, said = self.watch(stack, UPDATE, seen)
        took = time.monotonic() - begun
        error = reason(said)
        print(f"  exit {code} after {took:.0f} s" + (f"\n  {error}" if error else ""))
        if (code != 0) is not bad:
            wanted = "a refusal" if bad else "success"
            sys.exit(f"the demo expected {wanted} here: see {PLACE / 'up.log'}; the stacks stay as they are, `make down` ends them")
        self.rows.append(Row(what, f"stopped: {(error.partition('failed at ')[2] or error)[:60]}" if bad else "green", took))

    def refused(self, stack: str, what: str) -> list[str]:
        """Show what a release is told that must not begin, and return its reasons."""
        title(f"{what}:  pulumi up --stack {stack}")
        begun = time.monotonic()
        code, said = self.watch(stack, UPDATE)
        if code == 0:
            sys.exit("the demo expected a refusal here")
        told = reasons(said)
        print("\n".join(f"  - {line}" for line in told))
        self.rows.append(Row(what, "refused, nothing touched", time.monotonic() - begun))
        return told

    def watch(self, stack: str, argv: list[str], seen: Callable[[int], None] | None = None) -> tuple[int, str]:
        """Run a command on a stack, saying each weight as it is set; return the exit code and what was printed."""
        log = PLACE / "up.log"
        shown = self.weight(stack)
        with log.open("wb") as out:
            child = subprocess.Popen([*argv, "--stack", stack], cwd=PROGRAM, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
            while child.poll() is None:
                time.sleep(BLINK if shown[0] else WAIT)
                now = self.weight(stack)
                shown, before = now, shown
                # Whom no traffic is for is nothing to see.
                if now[1] == before[1] and (now == before or not now[1]):
                    continue
                print(f"  {now[1]:3} % of the traffic for {now[0]}" if now[1] else "    all traffic on the live version", flush=True)
                if seen:
                    seen(now[1])
        return child.returncode, log.read_text()

    def weight(self, stack: str) -> tuple[str, int]:
        """Return whom the splitter's weight is for, and how much it is."""
        from sluice.core.errors import Unreachable

        try:
            share = self.runtime.share(stack)
        except Unreachable:
            return "", 0
        return share.release, share.weight

    def close(self, tally: Tally, phases: Sequence[str] = ()) -> None:
        """Print the table, and what a load came to in its `phases`."""
        title("what happened")
        width = max(len(row.what) for row in self.rows)
        for row in self.rows:
            print(f"  {row.what:{width}}  {row.seconds:5.1f} s  {row.result}")
        print(f"\n  load: {tally.text()}")
        for line in phases:
            print(f"    {line}")
        for reason, count in tally.reasons.most_common(5):
            print(f"    failed: {count} x {reason}")
        live, url = output("production", "live"), output("production", "url")
        print(f"  production: {live['version']} is live at {url}; `make down` ends everything")
        if tally.failed:
            sys.exit("requests failed: that must not be")


def reason(said: str) -> str:
    """Return the line that says why an update failed."""
    told = [
        line.partition("error: ")[2] for line in said.splitlines() if line.strip().startswith("error: ") and "update failed" not in line
    ]
    return told[0] if told else ""


def reasons(said: str) -> list[str]:
    """Return what a refusal says under its headline."""
    lines = said.partition("Diagnostics:")[2].partition("Outputs:")[0].splitlines()
    return [line.strip().removeprefix("- ") for line in lines if line.strip().startswith("- ")]


def title(text: str) -> None:
    """Begin a chapter."""
    print(f"\n{text}", flush=True)
