"""Two toy services behind one door: the smallest program that a Release makes sense for."""

from pathlib import Path

import tests.toy
from sluice.components import Release, ReleaseArgs, ServiceArgs, program


def service(name):
    argv = ["python", "service.py", "--port", "{port}"]
    return ServiceArgs(name=name, argv=argv, artifact=Path(tests.toy.__file__).parent, prefix=f"/{name}/")


def declare(stack):
    return Release("toy", ReleaseArgs(services=[service("web"), service("api")]), stack=stack, runtime=stack.runtime()).outputs


program(declare, services={"web", "api"})
