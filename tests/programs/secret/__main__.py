"""The toy services, one of them with a password from config and a database: all that there is to leak, and to kill."""

from pathlib import Path

import pulumi

import tests.toy
from sluice.components import Release, ReleaseArgs, ServiceArgs, program
from sluice.runtimes.process.runtime import Process

KEY = pulumi.Config().require_secret("key")


def service(name, **more):
    argv = ["python", "service.py", "--port", "{port}"]
    return ServiceArgs(name=name, argv=argv, artifact=Path(tests.toy.__file__).parent, prefix=f"/{name}/", **more)


def declare(stack):
    services = [service("web", secrets={"API_KEY": KEY}, database="toy"), service("api")]
    return Release("secret", ReleaseArgs(services=services, databases=["toy"]), stack=stack, runtime=Process()).outputs


program(declare, services={"web", "api"})
