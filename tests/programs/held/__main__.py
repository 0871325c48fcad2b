"""A toy service with a limit of memory and a database, watched by every kind of question: what a keeper has to put while it holds it."""

from pathlib import Path

import tests.toy
from sluice.components import Release, ReleaseArgs, ServiceArgs, program
from sluice.core.check import Check, Limit

ARGV = ["python", "service.py", "--port", "{port}"]


def watch(version):
    well = {"url": f"{version.url}/health", "path": "$.version"}
    return [
        Check(name="its version", ask="http.json", of=well, limit=Limit(is_="!=", value="")),
        Check(name="its log", ask="logs.ratio", of={"path": version.log, "level": "error"}, limit=Limit(is_="<=", value=1)),
    ]


def data(stores):
    odd = {**stores["shop"], "query": "select count(*) from pg_class where relname = 'odd'"}
    return [Check(name="odd tables", ask="sql", of=odd, limit=Limit(is_="==", value=0))]


def declare(stack):
    artifact = Path(tests.toy.__file__).parent
    web = ServiceArgs(name="web", argv=ARGV, artifact=artifact, prefix="/web/", database="shop", memory=2**30)
    return Release(
        "toy", ReleaseArgs(services=[web], databases=["shop"], watch=watch, data=data), stack=stack, runtime=stack.runtime()
    ).outputs


program(declare, services={"web"})
