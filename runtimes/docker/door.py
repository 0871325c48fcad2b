"""The front door: Envoy, and the keeper beside it, in one container with their files in a volume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pulumi import Output, Resource, ResourceOptions

from sluice.core.commands.docker import INNER
from sluice.core.commands.envoy import ROUTE
from sluice.runtimes.docker.ground import Ground
from sluice.runtimes.docker.healthy import Healthy
from sluice.runtimes.port import Front
from sluice.systems.keeper import file

if TYPE_CHECKING:
    import pulumi_command

# Envoy starts in a second; the rest is a busy machine.
READY = 60.0
# The keeper has ten seconds to take back what it judges, Envoy five to end.
GRACE = 15.0
INSIDE = ("python", "-m", "sluice.runtimes.docker.inside")
FOLDER = "/front"


def front(ground: Ground, name: str, opts: ResourceOptions | None) -> Front:
    """Declare the door; `split` names the command that reaches its files."""
    import pulumi_docker

    port, called = ground.port(name), ground.called(name)
    below = ResourceOptions.merge(opts, ResourceOptions(depends_on=ground.after))
    volume = pulumi_docker.Volume(f"{name}-files", name=ground.called(f"{name}-files"), opts=below)
    container = ground.contain(
        name,
        image=ground.image.image_id,
        inner=INNER,
        port=port,
        grace=GRACE,
        entry=[*INSIDE, "serve"],
        # What the keeper asks of databases.
        binds=[ground.secrets],
        # Elsewhere the flags are switched in here, where they are written in one step.
        volumes={FOLDER: volume.name, **{path: one.name for path, one in ground.volumes.items() if path != ground.secrets}},
        opts=opts,
    )
    # The lease's format: an image with another Sluice is told as such, and asked anew when that of this machine changes.
    asked = [*INSIDE, "ready", str(file.FORMAT)]
    through = ["docker", "exec", "-i", called]
    split = {"kind": "envoy", "folder": FOLDER, "admin": f"{FOLDER}/admin.sock", "route": ROUTE, "through": through}
    more: dict[str, Any] = {"known": {"url": f"http://{ground.host}:{port}", "split": split}, "ask": asked, "ready": READY, "grace": GRACE}
    healthy = Healthy(f"{name}-healthy", label=name, container=called, identity=container.id, **more, opts=opts)
    ground.door = called, healthy.descriptor
    return Front(
        resource=healthy,
        url=healthy.descriptor.apply(lambda found: str(found["url"])),
        split=healthy.descriptor.apply(lambda found: dict(found["split"])),
    )


def known(
    ground: Ground, name: str, door: Front, *, port: int, after: Sequence[Resource], opts: ResourceOptions | None
) -> pulumi_command.local.Command:
    """Declare that the door knows a version: it does before this is created, and no longer once it is deleted."""
    import pulumi_command

    inside = door.split.apply(lambda split: _line([*split["through"], *INSIDE]))
    gone = door.split.apply(lambda split: f"docker inspect {split['through'][-1]} > /dev/null 2>&1")
    return pulumi_command.local.Command(
        f"{name}-door",
        create=inside.apply(lambda line: f"{line} register {name} {ground.called(name)} {port}"),
        # Fine when the door itself is gone.
        delete=Output.all(inside, gone).apply(lambda told: f"{told[0]} unregister {name} || ! {told[1]}"),
        # The last output would go into the next run's environment.
        add_previous_output_in_env=False,
        opts=ResourceOptions.merge(opts, ResourceOptions(depends_on=[door.resource, *after])),
    )


def _line(words: Sequence[str]) -> str:
    import shlex

    return shlex.join(words)
