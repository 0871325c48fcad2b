"""A service behind a door, and one that must not run twice, which it needs."""

from pathlib import Path

import tests.toy
from sluice.components import Release, ReleaseArgs, ServiceArgs, program


def service(name, **more):
    argv = ["python", "service.py", "--port", "{port}"]
    return ServiceArgs(name=name, argv=argv, artifact=Path(tests.toy.__file__).parent, grace=3, ready=20, **more)


def declare(stack):
    services = [service("web", prefix="/web/", needs=["letters"]), service("letters", single=True)]
    return Release("single", ReleaseArgs(services=services), stack=stack, runtime=stack.runtime()).outputs


program(declare, services={"web", "letters"})
