"""The demo's two stacks, in a checkout of its own: plain Pulumi commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from examples.redcube.demo.runtime import Docker, Process, Runtime

REPO = Path(__file__).parent.parent.parent.parent
PLACE = REPO / ".demo"
PROGRAM = PLACE / "program"
STACKS = ("staging", "production")
# A demo is watched: three seconds a step in place of five minutes, and it may be night. A busy machine may need a minute for the samples.
QUICK = {
    "soak": "3s",
    "patience": "60s",
    "samples": "40",
    "poll": "500ms",
    "checks.error_rate.lasts": "1s",
    "checks.error_rate.samples": "20",
    "checks.error_delta.samples": "20",
    "checks.latency_delta.samples": "20",
    "checks.latency.samples": "20",
}
ROLLOUT = "sluice:rollout"


def prepare(runtime: Runtime) -> None:
    """Make a checkout of its own, and fresh stacks in it that run there; an earlier demo is destroyed first."""
    told = runtime.ready()
    if PROGRAM.exists():
        destroy()
    runtime.fresh(STACKS)
    PROGRAM.mkdir(parents=True)
    for name in ("Pulumi.yaml", "__main__.py", *(f"Pulumi.{stack}.yaml" for stack in STACKS)):
        shutil.copy(REPO / name, PROGRAM)
    shutil.copytree(REPO / "examples", PROGRAM / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    (PROGRAM / ".venv").symlink_to(REPO / ".venv")
    for stack in STACKS:
        pulumi("stack", "init", stack)
        if told:
            configure(stack, told)


def destroy() -> None:
    """End the stacks of an earlier demo, with their data, wherever they ran."""
    known = {entry["name"] for entry in json.loads(pulumi("stack", "ls", "--json"))}
    for stack in [stack for stack in reversed(STACKS) if stack in known]:
        runtime = earlier(stack)
        pulumi("cancel", "--yes", "--stack", stack, check=False)
        pulumi("destroy", "--yes", "--skip-preview", "--stack", stack)
        pulumi("stack", "rm", "--yes", "--stack", stack)
        runtime.clear(stack)
    shutil.rmtree(PROGRAM)
    shutil.rmtree(os.environ["SLUICE_HOME"], ignore_errors=True)


def earlier(stack: str) -> Runtime:
    """Return where a stack of an earlier demo runs, as its config says."""
    told = json.loads(pulumi("config", "get", "sluice:runtime", "--stack", stack, check=False) or "{}")
    return Docker() if told.get("kind") == "docker" else Process()


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
