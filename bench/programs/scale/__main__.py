"""As many services as config says, each with its door and its guard."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi

from sluice.components import Release, ReleaseArgs, ServiceArgs, Stack, program
from sluice.runtimes.process.runtime import Process

ARTIFACT = Path(__file__).parent / "app"
NAMES = [f"service{number}" for number in range(pulumi.Config("scale").require_int("count"))]


def service(name: str) -> ServiceArgs:
    return ServiceArgs(name=name, argv=["python", "-I", "-S", "tiny.py"], artifact=ARTIFACT, prefix=f"/{name}/")


def declare(stack: Stack) -> Mapping[str, Any]:
    return Release("scale", ReleaseArgs(services=[service(name) for name in NAMES]), stack=stack, runtime=Process()).outputs


program(declare, services=set(NAMES))
