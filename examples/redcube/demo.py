"""The demo: redcube goes from 1.0.0 to 1.1.0 under load, with a migration; 1.4.0's breaks in its rehearsal, 1.2.0 at its first step.

Between them staging shows a way back that would lose data (1.7.0), and a migration that is cut in two (1.8.0).

Everything is done with plain Pulumi commands on a copy of the program in .demo, as a team would in its own checkout.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from bench.load import Ask, Load, Tally, post

REPO = Path(__file__).parent.parent.parent
PLACE = REPO / ".demo"
PROGRAM = PLACE / "program"
STACKS = ("staging", "production")
RATE = 150.0
# A demo is watched: three seconds a step in place of five minutes, and it may be night.
QUICK = {
    "soak": "3s",
    "patience": "20s",
    "samples": "40",
    "poll": "500ms",
    "checks.error_rate.lasts": "1s",
    "checks.error_rate.samples": "20",
    "checks.error_delta.samples": "20",
    "checks.latency_delta.samples": "20",
    "checks.latency.samples": "20",
}
LIST = "/api/content/interview-intel/experiences?limit=10"
# Revisions of the user database: 0001 keeps the copy of users in step, 0004 breaks on any user.
SCHEMA = "sluice:release.schema.redcube_users"
ROLLOUT = "sluice:rollout"


@dataclass
class Row:
    """One line of the closing table."""

    what: str
    result: str
    seconds: float


@dataclass
class Demo:
    """What has happened so far."""

    rows: list[Row] = field(default_factory=list)

    def run(self) -> None:
        """Walk through it; the order is the runbook's."""
        prepare()
        self.up("staging", "1.0.0 to staging")
        quicken()
        self.refused("production", "1.0.0 to production, not approved")
        approve("production")
        self.up("production", "1.0.0 to production")
        with load() as running:
            self.release("1.1.0")
            self.rehearsed("1.4.0", back="1.1.0")
            self.lossy("1.7.0", back="1.1.0")
            self.half("1.8.0")
            self.release("1.2.0", bad=True)
            self.back("1.1.0")
            tally = running.stop()
        self.close(tally)

    def release(self, version: str, *, bad: bool = False) -> None:
        """Take a version to staging, then to production."""
        for stack in STACKS:
            configure(stack, {"sluice:release.version": version, SCHEMA: "0001"})
        self.up("staging", f"{version} to staging")
        approve("production")
        self.up("production", f"{version} to production, under load", bad=bad)

    def rehearsed(self, version: str, *, back: str) -> None:
        """Show a migration that fails on real data: on a copy, before anything is touched."""
        session(output("staging", "url"))
        configure("staging", {"sluice:release.version": version, SCHEMA: "0004"})
        self.up("staging", f"{version} to staging, with a migration that breaks", bad=True)
        configure("staging", {"sluice:release.version": back, SCHEMA: "0001"})

    def lossy(self, version: str, *, back: str) -> None:
        """Show a way back that loses data: refused with what it would cost, then allowed by the command that the refusal prints."""
        configure("staging", {"sluice:release.version": version, SCHEMA: "0007"})
        self.up("staging", f"{version} to staging, whose contract drops a column")
        configure("staging", {"sluice:release.version": back, SCHEMA: "0001"})
        told = self.refused("staging", f"config set back to {back}, which needs that column")
        shell(told[-1].partition("runs: ")[2])
        self.up("staging", f"{back} again, allowed to lose what that column held")

    def half(self, version: str) -> None:
        """Show a migration whose session dies between its statements: what is said of it, and how it is finished."""
        configure("staging", {"sluice:release.version": version, SCHEMA: "0008"})
        with cut("staging"):
            self.up("staging", f"{version} to staging, its migration cut in two", bad=True)
        told = self.refused("staging", f"{version} again: was the second half done?")
        # Whoever has looked says so: it was not, the index is not valid.
        ask("staging", told[0].partition("if not, run in psql: ")[2].partition(";")[0])
        self.up("staging", f"{version} to staging, from where it was")

    def back(self, version: str) -> None:
        """Write the proven version back: nothing has to be rolled back, as nothing else has the traffic."""
        configure("production", {"sluice:release.version": version})
        self.up("production", f"config set back to {version}")

    def up(self, stack: str, what: str, *, bad: bool = False) -> None:
        """Update a stack and note how it went."""
        title(f"{what}:  pulumi up --stack {stack}")
        begun = time.monotonic()
        code, said = watch(stack)
        took = time.monotonic() - begun
        error = reason(said)
        print(f"  exit {code} after {took:.0f} s" + (f"\n  {error}" if error else ""))
        if (code != 0) is not bad:
            wanted = "a refusal" if bad else "success"
            sys.exit(f"the demo expected {wanted} here: see {PLACE / 'up.log'}; the stacks stay as they are, `make down` ends them")
        self.rows.append(Row(what, f"stopped: {error.partition('failed at ')[2][:60]}" if bad else "green", took))

    def refused(self, stack: str, what: str) -> list[str]:
        """Show what a release is told that must not begin, and return its reasons."""
        title(f"{what}:  pulumi up --stack {stack}")
        begun = time.monotonic()
        code, said = watch(stack)
        if code == 0:
            sys.exit("the demo expected a refusal here")
        told = reasons(said)
        print("\n".join(f"  - {line}" for line in told))
        self.rows.append(Row(what, "refused, nothing touched", time.monotonic() - begun))
        return told

    def close(self, tally: Tally) -> None:
        """Print the table."""
        title("what happened")
        width = max(len(row.what) for row in self.rows)
        for row in self.rows:
            print(f"  {row.what:{width}}  {row.seconds:5.1f} s  {row.result}")
        print(f"\n  load: {tally.text()}")
        for reason, count in tally.reasons.most_common(5):
            print(f"    failed: {count} x {reason}")
        live, url = output("production", "live"), output("production", "url")
        print(f"  production: {live['version']} is live at {url}; `make down` ends everything")
        if tally.failed:
            sys.exit("requests failed: that must not be")


def prepare() -> None:
    """Make a checkout of its own, and fresh stacks in it; an earlier demo is destroyed first."""
    if PROGRAM.exists():
        destroy()
    PROGRAM.mkdir(parents=True)
    for name in ("Pulumi.yaml", "__main__.py", *(f"Pulumi.{stack}.yaml" for stack in STACKS)):
        shutil.copy(REPO / name, PROGRAM)
    shutil.copytree(REPO / "examples", PROGRAM / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    (PROGRAM / ".venv").symlink_to(REPO / ".venv")
    for stack in STACKS:
        pulumi("stack", "init", stack)


def destroy() -> None:
    """End the stacks of an earlier demo, with their data."""
    known = {entry["name"] for entry in json.loads(pulumi("stack", "ls", "--json"))}
    for stack in [stack for stack in reversed(STACKS) if stack in known]:
        pulumi("cancel", "--yes", "--stack", stack, check=False)
        pulumi("destroy", "--yes", "--skip-preview", "--stack", stack)
        pulumi("stack", "rm", "--yes", "--stack", stack)
    shutil.rmtree(PROGRAM)
    shutil.rmtree(os.environ["SLUICE_HOME"], ignore_errors=True)


def quicken() -> None:
    """Open production's windows, and shorten its soaks."""
    pulumi("config", "rm", "--path", f"{ROLLOUT}.windows", "--stack", "production")
    configure("production", {f"{ROLLOUT}.{key}": value for key, value in QUICK.items()})


def approve(stack: str) -> None:
    """Approve the configured release as its manager: the command is the one that preflight prints."""
    said = pulumi("preview", "--stack", stack)
    release = next(line.split()[1] for line in said.splitlines() if line.strip().startswith("release "))
    given = json.loads(pulumi("config", "get", ROLLOUT, "--stack", stack))["approvals"].get("given", [])
    facts = {"release": release, "role": "manager", "by": "grace", "nonce": str(len(given) + 1)}
    configure(stack, {f"{ROLLOUT}.approvals.given[{len(given)}].{key}": value for key, value in facts.items()})
    print(f"  Grace, the manager, approves {release}")


def configure(stack: str, values: dict[str, str]) -> None:
    """Set values in a stack's config."""
    words = [word for key, value in values.items() for word in ("--plaintext", f"{key}={value}")]
    pulumi("config", "set-all", "--path", *words, "--stack", stack)


@contextmanager
def load() -> Iterator[Load]:
    """Load production's front door steadily: lists, analyses with a session, and long requests."""
    url = output("production", "url")
    cookie = session(url)
    known = {"cookie": cookie}
    analyze = post("/api/content/analyze-single/text", {"text": "two rounds, one offer"}, known)
    mix = [Ask("GET", LIST), analyze, Ask("GET", LIST), Ask("GET", "/api/auth/me", headers=known), Ask("GET", LIST)]
    running = Load(url, mix, rate=RATE, long=Ask("GET", "/api/content/slow?seconds=2")).start()
    title(f"a steady load of {RATE:.0f} requests a second on {url}")
    try:
        yield running
    finally:
        running.stop()


def session(url: str) -> str:
    """Register a user and return its cookie."""
    import httpx

    person = {"email": f"demo-{time.time_ns()}@example.com", "password": "Demo-12345"}
    with httpx.Client(base_url=url) as client:
        client.post("/api/auth/register", json={**person, "confirmPassword": person["password"]}).raise_for_status()
        client.post("/api/auth/login", json=person).raise_for_status()
        return "; ".join(f"{name}={value}" for name, value in client.cookies.items())


def watch(stack: str) -> tuple[int, str]:
    """Update a stack, saying each weight as it is set; return the exit code and what was printed."""
    log = PLACE / "up.log"
    argv = ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--stack", stack]
    shown = weight(stack)
    with log.open("wb") as out:
        child = subprocess.Popen(argv, cwd=PROGRAM, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        while child.poll() is None:
            time.sleep(0.1)
            now = weight(stack)
            if now != shown:
                shown = now
                print(f"  {now[1]:3} % of the traffic for {now[0]}" if now[1] else "    all traffic on the live version", flush=True)
    return child.returncode, log.read_text()


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


@contextmanager
def cut(stack: str) -> Iterator[None]:
    """End the session that builds an index of the user database, as a crash would: between the statements of its migration."""
    begun = threading.Event()
    ender = threading.Thread(target=_end, args=(stack, begun), daemon=True)
    ender.start()
    begun.wait(10)
    yield
    ender.join(10)


def _end(stack: str, begun: threading.Event) -> None:
    building = "datname = current_database() and query ilike 'create unique index concurrently%' and wait_event_type = 'Lock'"
    # An index is built concurrently only once older snapshots are gone: this is one.
    with connected(stack) as old, connected(stack) as other:
        old.execute("begin transaction isolation level repeatable read")
        old.execute("select count(*) from pg_class")
        begun.set()
        for _ in range(1200):
            if other.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where {building}").fetchall():
                return
            time.sleep(0.05)


def connected(stack: str) -> psycopg.Connection[Any]:
    """Connect to the user database of a stack as its server's owner, each statement by itself."""
    from sluice.runtimes.process.folder import Folder

    passfile = Folder(Path(os.environ["SLUICE_HOME"]) / f"sluice-{stack}").passfile("redcube-database-server")
    where = output(stack, "databases")["redcube_users"]
    return psycopg.connect(**where, user="sluice", passfile=str(passfile), autocommit=True)


def ask(stack: str, query: str) -> None:
    """Run a statement in the user database of a stack."""
    print(f"  psql redcube_users: {query}")
    with connected(stack) as connection:
        connection.execute(query.encode())


def shell(command: str) -> None:
    """Run a command that was printed, as a person would paste it."""
    print(f"  {os.environ.get('USER', 'somebody')} allows it, with that command")
    subprocess.run(["bash", "-c", command], cwd=PROGRAM, check=True, capture_output=True)


def weight(stack: str) -> tuple[str, int]:
    """Return whom the splitter's weight is for, and how much it is."""
    from sluice.core.errors import Unreachable
    from sluice.systems.splits import envoy

    try:
        share = envoy.look(str(Path(os.environ["SLUICE_HOME"]) / f"sluice-{stack}" / "front"))
    except Unreachable:
        return "", 0
    return share.release, share.weight


def output(stack: str, name: str) -> Any:
    """Return one output of a stack."""
    return json.loads(pulumi("stack", "output", name, "--json", "--stack", stack))


def pulumi(*words: str, check: bool = True) -> str:
    """Run the CLI in the demo's checkout and return what it prints; a failure ends the demo with it."""
    cwd = PROGRAM if PROGRAM.exists() else REPO
    done = subprocess.run(["pulumi", *words, "--non-interactive"], cwd=cwd, capture_output=True, text=True, check=False)
    if check and done.returncode:
        sys.exit(f"`pulumi {' '.join(words)}` failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def title(text: str) -> None:
    """Begin a chapter."""
    print(f"\n{text}", flush=True)


def main() -> None:
    """Run the demo, or end it."""
    asked = argparse.ArgumentParser(prog="make demo", description=__doc__)
    asked.add_argument("--down", action="store_true", help="destroy the demo's stacks and their data")
    asked.add_argument("--up", action="store_true", help="only bring staging and production up")
    given = asked.parse_args()
    if given.down:
        destroy() if PROGRAM.exists() else print("there is no demo")
        return
    demo = Demo()
    if given.up:
        prepare()
        demo.up("staging", "1.0.0 to staging")
        quicken()
        approve("production")
        demo.up("production", "1.0.0 to production")
        return
    demo.run()


if __name__ == "__main__":
    main()
