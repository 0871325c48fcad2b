"""A stack that relies on the toy's: what it needs of that is in its config."""

from pathlib import Path

import pulumi

import tests.toy
from sluice.components import Producer, Release, ReleaseArgs, ServiceArgs, program
from sluice.runtimes.process.runtime import Process


def declare(stack):
    argv = ["python", "service.py", "--port", "{port}"]
    web = ServiceArgs(name="web", argv=argv, artifact=Path(tests.toy.__file__).parent, prefix="/web/")
    return Release("reader", ReleaseArgs(services=[web]), stack=stack, runtime=Process()).outputs


needs = pulumi.Config().require_object("needs")
program(declare, services={"web"}, producers={"toy": Producer(stack="organization/toy/test", **needs)})
