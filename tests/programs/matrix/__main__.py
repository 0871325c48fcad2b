"""A service, its database, a check of its health and a smoke test: all that a row of the decision matrix can be about."""

from pathlib import Path

import pulumi

from sluice.components import Release, ReleaseArgs, ServiceArgs, program
from sluice.core.check import Check, Limit
from sluice.core.verdict import Severity
from sluice.runtimes.process.runtime import Process

HERE = Path(__file__).parent
# The version in this file is one that the program, as it is now, cannot declare.
STUCK = HERE / "stuck"
JOURNEY = {"name": "shopping", "target": "web", "steps": [{"name": "buy", "path": "/web/buy"}]}


def well(version):
    limit = Limit(is_="==", value=200)
    return [Check(name="web: stock", ask="http.status", of={"url": f"{version.url}/stock"}, limit=limit, severity=Severity.P1)]


def declare(stack):
    if STUCK.exists() and stack.settings.release.version == STUCK.read_text():
        raise pulumi.RunError(f"this program cannot bring out {STUCK.read_text()}")
    argv = ["python", "service.py", "--port", "{port}"]
    service = ServiceArgs(name="web", argv=argv, artifact=HERE / "app", prefix="/web/", database="shop", ready=5)
    migrations = {"shop": HERE / "migrations" / "shop"}
    args = ReleaseArgs(services=[service], databases=["shop"], migrations=migrations, journeys=[JOURNEY], well=well)
    return Release("matrix", args, stack=stack, runtime=Process()).outputs


program(declare, services={"web"})
