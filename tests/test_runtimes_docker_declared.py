"""A whole stack on the docker runtime, as the providers are asked for it: every resource, every input, parent, dependency and option.

`docker_declared.yaml` has them, read and agreed on by people: a changed input of a container is another container on every stack that there
is. What is declared now is written beside the test's own files, so that the two can be compared, and the new one be agreed on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi.runtime import rpc

from sluice.components import Release, ReleaseArgs, ServiceArgs, Stack
from sluice.core.settings import parse
from sluice.runtimes.docker.runtime import Docker
from sluice.runtimes.port import Spec
from sluice.systems.keeper.file import FORMAT
from tests.fixtures.mock import Asked, World
from tests.test_runtimes_docker_runtime import HERE, IMAGE, engine, home, plain

__all__ = ["engine", "home"]
AGREED = Path(__file__).parent / "docker_declared.yaml"
NOON = datetime(2025, 11, 27, 12, tzinfo=UTC)
GATEWAY, LETTERS, ENRICHMENT = "api-gateway-internal", "dlq-manager", "metadata-enrichment"
NEEDS = {GATEWAY: [], LETTERS: [GATEWAY], ENRICHMENT: [GATEWAY, LETTERS]}
# One of each kind: behind the door and limited, an image with a secret, a worker, one that runs one version at a time.
SPECS = [
    Spec(
        name="web@1.0-3fa2",
        service="web",
        version="1.0",
        artifact=str(HERE),
        digest="a" * 64,
        argv=["web", "{port}"],
        memory=2**29,
        cpu=0.5,
    ),
    Spec(name="api@1.0-11bb", service="api", version="1.0", artifact=IMAGE, env={"MODE": "fast"}, secrets={"TOKEN": "hunter2"}, grace=30),
    Spec(name="dlq@1.0-22cc", service="dlq", version="1.0", artifact=str(HERE), digest="b" * 64, argv=["dlq"], health="", ready=5),
    Spec(name="mail@1.0-33dd", service="mail", version="1.0", artifact=IMAGE, secrets={"TOKEN": "hunter2"}, single=True),
]


def program() -> None:
    """Declare one of everything that the runtime has."""
    runtime = Docker(image="sluice:1")
    owner = pulumi.ComponentResource("test:index:Owner", "owner")
    below = pulumi.ResourceOptions(parent=owner)
    door = runtime.front("front", opts=below)
    runtime.database("store", databases=["shop"], opts=below)
    for spec in SPECS:
        one = runtime.service(spec, front=None if spec.single else door, opts=below)
        if spec.single:
            runtime.turn(spec, one, opts=below)
    runtime.job("migrate", argv=["python", "-m", "migrate"], folder=str(HERE), secrets={"TOKEN": "hunter2"}, opts=below)


def told(one: Asked, home: Path) -> dict[str, Any]:
    """Return a resource as the file has it: what nobody said left out, and what differs from machine to machine by a name."""
    text = json.dumps(plain(one.inputs), sort_keys=True)
    for found, name in ((str(home), "<home>"), (str(HERE), "<toy>"), (f'\\"ready\\", \\"{FORMAT}\\"', '\\"ready\\", \\"<format>\\"')):
        text = text.replace(found, name)
    facts = {"parent": one.parent, "after": one.after, "options": one.options, "ignored": one.ignored, "protect": one.protect}
    return {"inputs": json.loads(text, object_hook=_hidden), **{name: fact for name, fact in facts.items() if fact}}


def _hidden(found: dict[str, Any]) -> dict[str, Any]:
    return {"secret": found["value"]} if rpc._special_sig_key in found else found


def declared(world: World, home: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for one in world.asked:
        yield f"{one.name} ({one.type.rpartition(':')[2]})", told(one, home)


def test_everything(world: World, engine: Any, home: Path, tmp_path: Path):
    """What a stack declares is what was agreed on, to the letter, and there is one of every kind of resource that the runtime has."""
    world.run(program)
    found = dict(declared(world, home))
    now = tmp_path / AGREED.name
    now.write_text(yaml.safe_dump(found, width=140))
    agreed = yaml.safe_load(AGREED.read_text())
    assert sorted(found) == sorted(agreed), f"diff {AGREED} {now}"
    for name, one in found.items():
        assert one == agreed[name], f"{name}: diff {AGREED} {now}"
    kinds = {name.rpartition("(")[2].rstrip(")") for name in found} - {"Owner"}
    assert kinds == {
        "Place", "Network", "RemoteImage", "Volume", "Container", "Healthy", "Command", "Artifact", "Size", "Turn", "Passfile", "Job",
    }  # fmt: skip


def test_below(world: World, engine: Any, home: Path):
    """Whatever one asks for hangs below whom one names; what all share is the stack's own."""
    world.run(program)
    own = {"host", "host-net", "host-image", "owner"}
    assert {one.name for one in world.asked if one.parent != "owner"} == own


def test_steady(world: World, engine: Any, home: Path):
    """The same program declares the same thing again, whatever the order of its variables."""
    world.run(program)
    first = dict(declared(world, home))
    world.asked.clear()
    world.run(program)
    assert dict(declared(world, home)) == first


def service(name: str) -> ServiceArgs:
    return ServiceArgs(name=name, argv=["run"], artifact=HERE, prefix=f"/{name}/", needs=NEEDS[name])


def before(world: World, name: str) -> set[str]:
    """Return all that must be there before a resource is, near and far."""
    after = {one.name: set(one.after) for one in world.asked if one.type != "docker:index/artifact:Artifact"}
    found: set[str] = set()
    left = [name]
    while left:
        for one in after.get(left.pop(), set()) - found:
            found.add(one)
            left.append(one)
    return found


def test_order(world: World, engine: Any):
    """A service starts once those that it needs are well and known to the door, and finds them on the stack's network: the gateway before
    the dead letters before the enrichment."""
    settings = parse({"version": "1"}, {}, now=NOON)
    args = ReleaseArgs(services=[service(name) for name in reversed(NEEDS)])
    stack = Stack(settings=settings, proven=[], required=None, now=NOON)
    world.run(lambda: Release("songs", args, stack=stack, runtime=Docker(image="sluice:1")) and None)
    containers = {
        one.name.partition("@")[0]: one for one in world.asked if one.type == "docker:index/container:Container" and "@" in one.name
    }
    for name, one in containers.items():
        waits = {found for found in before(world, one.name) if found.partition("@")[0] in NEEDS and not found.startswith(f"{name}@")}
        needed = [containers[need].name for need in NEEDS[name]]
        assert waits >= {f"{need}{part}" for need in needed for part in ("", "-healthy", "-door", "-guard")}
        assert {found.partition("@")[0] for found in waits} == set(NEEDS[name])
        urls = {f"{need.upper().replace('-', '_')}_URL=http://{containers[need].inputs['name']}:8080" for need in NEEDS[name]}
        assert {line for line in one.inputs["envs"] if "_URL=" in line} == urls
