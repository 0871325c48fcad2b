"""What Sluice adds to an update that changes nothing, against a bare Pulumi program with as many dynamic resources."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from bench.measure import Measure, compared
from bench.stack import deployed, done
from tests.fixtures.engine import Engine, checkout

HERE = Path(__file__).resolve().parent
PROGRAMS = HERE / "programs"
LIMIT = 1.3
SERVICES = 100


def demo(runs: int) -> Measure:
    """Measure the demo's own stack, `staging`."""
    place = checkout()
    try:
        shutil.copy(HERE.parent / "Pulumi.staging.yaml", place)
        with deployed(place, "staging") as engine:
            return _measure("preview_ratio", engine, runs)
    finally:
        shutil.rmtree(place)


def scale(runs: int) -> Measure:
    """Measure a stack of 100 services."""
    config = {"sluice:release": {"version": "1"}, "sluice:rollout": {"ladder": [100], "soak": "0s", "samples": 0}}
    with deployed(PROGRAMS / "scale", "scale", config | {"scale:count": SERVICES}) as engine:
        return _measure("preview_scale_ratio", engine, runs)


def _measure(name: str, ours: Engine, runs: int) -> Measure:
    count = dynamic(ours)
    with deployed(PROGRAMS / "bare", "bare", {"bare:count": count}) as bare:
        what = f"a bare program with {count} dynamic resources"
        return compared(name, LIMIT, what, lambda: settled(ours), lambda: settled(bare), runs)


def settled(engine: Engine) -> None:
    """Update a stack on which there is nothing to do."""
    done(engine, "up", "--yes", "--skip-preview", "--expect-no-changes")


def dynamic(engine: Engine) -> int:
    """Count the dynamic resources of a stack."""
    resources = json.loads(done(engine, "stack", "export"))["deployment"]["resources"]
    return sum(resource["type"].startswith("pulumi-python:dynamic") for resource in resources)
