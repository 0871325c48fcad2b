"""A Pulumi program without Sluice: as many dynamic resources as config says."""

import pulumi
from plain import Plain

for number in range(pulumi.Config().require_int("count")):
    Plain(f"plain-{number}")
