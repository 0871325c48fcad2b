"""A pulumi-docker program without Sluice: the resources that `parts.json` lists, as `[type, name, arguments]`, in that order."""

import json
from pathlib import Path

import pulumi
import pulumi_docker

MADE: list[pulumi.Resource] = []
for kind, name, arguments in json.loads(Path("parts.json").read_text()):
    # Containers are last, and need all others.
    waits = pulumi.ResourceOptions(depends_on=[*MADE]) if kind == "Container" else None
    one = getattr(pulumi_docker, kind)(name, **arguments, opts=waits)
    if kind != "Container":
        MADE.append(one)
