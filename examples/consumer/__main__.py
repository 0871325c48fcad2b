"""A digest of what people tell on redcube: another team's stack, which relies on what redcube's stack promises and on nothing else."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi

from sluice.components import Producer, Release, ReleaseArgs, ServiceArgs, Stack, Told, program
from sluice.core.check import Check, Limit

APP = Path(__file__).parent / "app"
CONTENT = "endpoints.content-service"
DIGEST = {
    "name": "digest",
    "target": "digest",
    "steps": [{"name": "count", "path": "/digest/", "expect": [{"path": "$.experiences", "is": ">=", "value": 0}]}],
}


def well(redcube: Told) -> Sequence[Check]:
    """Return how redcube is asked whether it is well: as its users reach it."""
    of = {"url": redcube[CONTENT] + "health"}
    return [Check(name="content-service's health", ask="http.status", of=of, limit=Limit(is_="==", value=200), action="ask its team")]


REDCUBE = Producer(
    stack=pulumi.Config().require("redcube"),
    contract=1,
    uses=[CONTENT],
    version=">=1.0.0, <2",
    # From 0001 on the content service knows everybody who tells something there.
    schema={"redcube_users": ">=0001"},
    checks=well,
)


def declare(stack: Stack) -> Mapping[str, Any]:
    """Declare the digest. Where redcube is, is part of its version: another address takes another release."""
    service = ServiceArgs(
        name="digest",
        argv=["python", "digest.py", "--port", "{port}"],
        artifact=APP,
        prefix="/digest/",
        env={"CONTENT": stack.producers["redcube"][CONTENT]},
    )
    return Release("digest", ReleaseArgs(services=[service], journeys=[DIGEST]), stack=stack, runtime=stack.runtime()).outputs


program(declare, services={"digest"}, producers={"redcube": REDCUBE})
