"""A service, its database, a check of its health, one of its data and a smoke test: all that a row of the decision matrix can be about."""

import json
from pathlib import Path

import pulumi

from sluice.components import Release, ReleaseArgs, ServiceArgs, program
from sluice.core.check import Check, Limit
from sluice.core.verdict import Severity

HERE = Path(__file__).parent
# The version in this file is one that the program, as it is now, cannot declare.
STUCK = HERE / "stuck"
# What is declared otherwise of the service from now on, as JSON.
CHANGED = HERE / "changed.json"
# In bytes; an engine of containers keeps to it.
MEMORY = 128 * 2**20
CORRUPT = "select count(*) from orders where item = 'corrupt'"
JOURNEY = {"name": "shopping", "target": "web", "steps": [{"name": "buy", "path": "/web/buy"}]}


def well(version):
    limit = Limit(is_="==", value=200)
    return [Check(name="web: stock", ask="http.status", of={"url": f"{version.url}/stock"}, limit=limit, severity=Severity.P1)]


def data(stores):
    of = {**stores["shop"], "query": CORRUPT}
    return [Check(name="shop: corrupt orders", ask="sql", of=of, limit=Limit(is_="==", value=0), severity=Severity.P0)]


def declare(stack):
    if STUCK.exists() and stack.settings.release.version == STUCK.read_text():
        raise pulumi.RunError(f"this program cannot bring out {STUCK.read_text()}")
    argv = ["python", "service.py", "--port", "{port}"]
    usual = {"artifact": HERE / "app", "memory": MEMORY, "ready": 10}
    changed = json.loads(CHANGED.read_text()) if CHANGED.exists() else {}
    service = ServiceArgs(name="web", argv=argv, prefix="/web/", database="shop", **usual | changed)
    migrations = {"shop": HERE / "migrations" / "shop"}
    args = ReleaseArgs(
        services=[service],
        databases=["shop"],
        migrations=migrations,
        journeys=[JOURNEY],
        well=well,
        data=data,
        marks=lambda at: data(at.databases),
    )
    return Release("matrix", args, stack=stack, runtime=stack.runtime()).outputs


program(declare, services={"web"})
