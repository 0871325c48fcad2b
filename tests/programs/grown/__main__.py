"""A stack that grows: from version 2 on there is a second service beside the first, and the database has a table more.

A command of the team's own, by Pulumi's command provider, takes a copy of the backups after each release, a way back included.
"""

import os
from pathlib import Path

import pulumi
import pulumi_command

import tests.toy
from sluice.components import Release, ReleaseArgs, ServiceArgs, program

HERE = Path(__file__).parent


def service(name, **more):
    argv = ["python", "service.py", "--port", "{port}"]
    return ServiceArgs(name=name, argv=argv, artifact=Path(tests.toy.__file__).parent, prefix=f"/{name}/", **more)


def declare(stack):
    release, runtime = stack.settings.release, stack.runtime()
    # What is here is what this release has; what is live, and not in here, goes at the end.
    services = [service("web", database="shop"), *([service("api")] if int(release.version) > 1 else [])]
    args = ReleaseArgs(services=services, databases=["shop"], migrations={"shop": HERE / "migrations" / "shop"})
    made = Release("grown", args, stack=stack, runtime=runtime)
    copy(release.id, runtime, made)
    return made.outputs


def copy(release, runtime, made):
    told = {"FROM": runtime.backups, "TO": os.environ["OFFSITE"]}
    # The first release has nothing to save.
    line = 'mkdir -p "$TO" && if [ -d "$FROM" ]; then cp -R "$FROM/." "$TO"; fi'
    after = pulumi.ResourceOptions(depends_on=[made])
    pulumi_command.local.Command("offsite", create=line, triggers=[release], environment=told, add_previous_output_in_env=False, opts=after)


program(declare, services={"web", "api"})
