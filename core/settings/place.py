"""`sluice:runtime`: where a stack runs. It is for as long as the stack is; neither a release nor an update changes it."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from typing import Any, Literal

from pydantic import Field

from sluice.core.errors import ConfigError
from sluice.core.settings import defaults
from sluice.core.settings.kind import Size, Text
from sluice.core.settings.parse import draft
from sluice.core.settings.problem import Problem
from sluice.core.settings.tree import RUNTIME
from sluice.core.value import Value

# What a recipe for the image looks like is told where it is asked for.
RECIPE = "docs/runtimes/docker.md has its three lines"


class Place(Value):
    """Where a stack runs, and in what."""

    kind: Literal["process", "docker"] = Field(
        default="process",
        description="process: on the machine that deploys, from Python wheels; docker: in containers of that machine's engine",
    )
    image: Text = Field(default="", description="docker: the image that runs folders, the front door and jobs: Python with Sluice in it")
    postgres: Text = Field(default="", description="docker: the image of database servers; default: `postgres:18`")
    largest: Size = Field(
        default=defaults.IMAGE, gt=0, description="docker: how large a version's image may be, as `docker image ls` has it"
    )
    address: Text = Field(
        default="",
        description="docker: the address of the engine's machine, if that is another one: containers are published and reached there",
    )


def parse_place(text: str | None) -> Place:
    """Read the key from JSON, as `pulumi config get` has it. ConfigError has every problem, each a line that begins with its path."""
    try:
        data: Any = {} if text is None else json.loads(text)
    except (ValueError, RecursionError):
        data = Problem(RUNTIME, "is not a map of keys: run: pulumi config set --path sluice:runtime.kind docker")
    read = draft(RUNTIME, Place, data)
    found = [*read.problems, *([] if read.bad else _unfit(read.value))]
    if found:
        raise ConfigError([problem.line for problem in found])
    return read.value


def _unfit(place: Place) -> list[Problem]:
    """Say which keys do not go together."""
    if place.kind == "docker":
        why = f"is missing: containers run in it; {RECIPE}; then: pulumi config set --path sluice:runtime.image IMAGE"
        return [*([] if place.image else [Problem(f"{RUNTIME}.image", why)]), *_address(place.address)]
    told = [name for name, field in Place.model_fields.items() if name != "kind" and getattr(place, name) != field.default]
    return [Problem(f"{RUNTIME}.{name}", "is for kind docker: remove it, or set the kind") for name in told]


def _address(told: str) -> list[Problem]:
    """Refuse what containers cannot be published on, and what would let everybody in."""
    if not told:
        return []
    try:
        open = IPv4Address(told).is_unspecified
    except ValueError:
        return [Problem(f"{RUNTIME}.address", f"'{told}' is not an address as 10.0.0.5: the engine publishes on addresses, not on names")]
    why = f"'{told}' is every address of that machine, and databases would be open to whoever reaches one: name one that few others reach"
    return [Problem(f"{RUNTIME}.address", why)] if open else []
