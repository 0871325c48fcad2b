"""What the demo needs of a Docker engine, and what it clears away there."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from typing import Any

from sluice.core.commands import docker as say
from sluice.core.errors import RuntimeFailed, SluiceError
from sluice.systems import docker
from tests.fixtures import image
from tests.fixtures.docker import SPLIT, left

FRONT = "redcube-front"
PLUGINS = ("docker", "command")
INSTEAD = "or run `make demo`, which needs none"
# A registry far away sends a gigabyte in that time.
PULL = 600.0


def lacks(given: dict[str, str]) -> list[str]:
    """Return everything that is missing, each with what to do about it."""
    try:
        docker.ask(["version", "--format", "{{.Server.Version}}"])
    except SluiceError as error:
        return [f"{error}: start it, {INSTEAD}", *plugins()]
    absent = [why for part, name in given.items() if (why := _absent(part, name))]
    return [*plugins(), *absent]


def plugins() -> list[str]:
    """Return which of Pulumi's plugins are not here, and cannot be had."""
    return [why for name in PLUGINS if (why := _plugin(name, version(f"pulumi-{name}")))]


def _plugin(name: str, wanted: str) -> str:
    if _known(name, wanted):
        return ""
    words = ["pulumi", "plugin", "install", "resource", name, wanted]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if not done.returncode:
        return ""
    said = done.stderr.strip().splitlines() or ["it says nothing"]
    why = next((line for line in said if line.startswith("warning: ")), said[-1])
    return (
        f"there is no Pulumi plugin {name} {wanted}, and it cannot be downloaded ({why}): run `{' '.join(words)} --file ARCHIVE`, {INSTEAD}"
    )


def _known(name: str, wanted: str) -> bool:
    said = subprocess.run(["pulumi", "plugin", "ls", "--json"], capture_output=True, text=True, check=False).stdout
    return any((one["name"], one.get("version")) == (name, wanted) for one in json.loads(said or "[]"))


def _absent(part: str, name: str) -> str:
    """Return why there is no such image; one that is given is pulled where the engine does not have it."""
    if not name:
        here = sys.platform == "linux"
        return (
            "" if here else f"no {part} is given, and one can be built on Linux alone: run `make demo RUNTIME=docker {part.upper()}=NAME`"
        )
    try:
        docker.ask(["image", "inspect", name])
    except RuntimeFailed:
        return _pull(part, name)
    return ""


def _pull(part: str, name: str) -> str:
    try:
        docker.ask(["pull", "--quiet", name], timeout=PULL)
    except SluiceError as error:
        why = f"{part.upper()}={name} is not on this engine, and cannot be pulled ({error})"
        return f"{why}: give another, or none to have it built here"
    return ""


def images(given: dict[str, str]) -> dict[str, str]:
    """Return both images, those that are not given built of this machine's own Python and PostgreSQL."""
    make = {"image": image.sluice, "postgres": image.postgres}
    if not all(given.values()):
        print("the images, of this machine's own files: a minute, the first time", flush=True)
    try:
        return {part: name or make[part]() for part, name in given.items()}
    except RuntimeError as error:
        raise SystemExit(
            f"the demo's image cannot be built: {error}; give one: make demo RUNTIME=docker IMAGE=NAME POSTGRES=NAME"
        ) from None


def split(stack: str) -> dict[str, Any]:
    """Return the descriptor of a stack's splitter, a stack being `<project>-<name>`."""
    return {**SPLIT, "through": ["docker", "exec", "-i", say.contained(stack, FRONT)]}


def foreign(stack: str) -> list[str]:
    """Say what of a stack's name is with the engine, before the stack was ever there."""
    return [f"{kind} {', '.join(names)}: `pulumi destroy` that stack where it is from, {INSTEAD}" for kind, names in left(stack).items()]


def sweep(stack: str) -> list[str]:
    """Remove the data volumes and images of a stack that is destroyed; return what was removed."""
    names = docker.ask(["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"sluice/{stack}-*"]).split()
    volumes = left(stack).get("volumes", [])
    for verb, found in (("volume", volumes), ("image", names)):
        if found:
            docker.ask([verb, "rm", *found])
    return [f"removed {kind} {name}" for kind, found in (("volume", volumes), ("image", names)) for name in found]
