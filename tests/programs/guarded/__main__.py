"""One version with its guard, and a gate that opens as config says: what `--continue-on-error` is tried on."""

from pathlib import Path

import pulumi

import tests.toy
from sluice.components import Gate
from sluice.core.check import Check, Limit
from sluice.hooks.guard import Guard
from sluice.runtimes.port import Spec
from sluice.runtimes.process.runtime import Process

config, runtime = pulumi.Config(), Process()
front = runtime.front("front")
if config.require("declared") == "yes":
    argv = ["python", "service.py", "--port", "{port}"]
    spec = Spec(name="web@1", service="web", version="1", artifact=str(Path(tests.toy.__file__).parent), argv=argv)
    web = runtime.service(spec, front=front)
    opts = pulumi.ResourceOptions(depends_on=[web.resource])
    Guard("guard", {"version": "web@1", "split": front.split}, opts)
wanted = 503 if config.require("open") == "yes" else 200
door = front.url.apply(lambda url: [Check(name="door", ask="http.status", of={"url": url}, limit=Limit(is_="==", value=wanted))])
Gate("gate", release=config.require("open"), settled=False, checks=door, deadline=1)
