"""What `doctor` asks of a stack in containers: its engine, and through it whatever it has of the stack."""

from __future__ import annotations

import time

from sluice.core.diagnosis import docker as judge
from sluice.core.diagnosis import machine, stack
from sluice.core.diagnosis.finding import Finding, fine
from sluice.core.errors import Unreachable
from sluice.history.examine_data import sizes
from sluice.history.examine_services import serves
from sluice.history.scene import Scene
from sluice.systems import containers

DIGITS = 12


def label(scene: Scene) -> str:
    """Return what the stack's containers, volumes and images are named by."""
    return f"{scene.seen.pulumi.project}-{scene.seen.pulumi.short}"


def each(scene: Scene) -> list[Finding]:
    """Look at every container: those that state has, and others of the stack."""
    there, declared, now = containers.look(label(scene)), scene.seen.containers, time.time()
    versions = {one.name for one, _ in scene.seen.running}
    found = [
        judge.container(
            one,
            declared=one.called in declared,
            serves=one.name not in versions or serves(scene, one.name),
            busy=scene.busy,
            now=now,
            rests=bool(one.single) and one.name not in versions,
        )
        for one in there
    ]
    missing = [] if scene.busy else judge.absent("container", declared, [one.called for one in there])
    return [*missing, *found]


def volumes(scene: Scene) -> list[Finding]:
    """Look whether the volumes are there that state has."""
    wanted = scene.seen.volumes
    gone = judge.absent("volume", wanted, containers.volumes(label(scene)), kept=True)
    return gone or [fine(judge.AREA, "volumes", f"{len(wanted)}, as state has them")]


def images(scene: Scene) -> list[Finding]:
    """Look at what was built for the stack and is of no release any more; while an update is at work, nobody knows yet."""
    needed = {built.digest[:DIGITS] for one in scene.seen.records for built in one.services.values()}
    needed |= set(scene.seen.tags)
    return [] if scene.busy else judge.images(containers.built(f"sluice/{label(scene).lower()}-"), needed)


def ports(_: Scene) -> list[Finding]:
    """Look whether two containers were given the same port, also ones of different stacks."""
    given = containers.given()
    return judge.twice(given) or [fine("machine", "ports", f"{len(given)} given to containers, each to one")]


def envoy(scene: Scene) -> list[Finding]:
    """Ask the front whether Envoy follows the routes that it was given."""
    assert scene.split
    try:
        share = scene.share
        follows = scene.split.confirm(share, scene.limit)
    except Unreachable as error:
        return [stack.gone(stack.SERVICES, "envoy", str(error), "the front's container does not run, or hangs")]
    if share.revision and not follows:
        cause = "it has not taken over the last change of the routes"
        return [stack.gone(stack.SERVICES, "envoy", f"does not follow revision '{share.revision}'", cause)]
    return [fine(stack.SERVICES, "envoy", f"routes of revision '{share.revision}'")]


def disk(scene: Scene) -> list[Finding]:
    """Look at the disk with all that the engine keeps, from the front's volume, against what the next drill's copy takes."""
    assert scene.seen.split
    front, folder = scene.seen.split["through"][-1], scene.seen.split["folder"]
    found = containers.room(front, folder, needed=sum(sizes(scene).values()))
    judged = machine.disk(found)
    return [judged.model_copy(update={"next": "docker system df"}) if judged.next else judged]
