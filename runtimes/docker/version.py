"""One version of one service: its image, its container, that it is well, and that the door knows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pulumi import Output, Resource, ResourceOptions

from sluice.core.commands.docker import CONTAINER, INNER
from sluice.core.commands.supervisord import filled
from sluice.core.spec import image as is_image
from sluice.core.version import Version
from sluice.runtimes.docker import door
from sluice.runtimes.docker.artifact import Artifact
from sluice.runtimes.docker.ground import Ground
from sluice.runtimes.docker.healthy import Healthy
from sluice.runtimes.docker.size import Size
from sluice.runtimes.docker.turn import Turn
from sluice.runtimes.port import Front, Running, Spec, Text

if TYPE_CHECKING:
    import pulumi_docker


def run(ground: Ground, spec: Spec, front: Front | None, opts: ResourceOptions | None) -> Running:
    """Declare it."""
    called = ground.called(spec.name)
    port = ground.port(spec.name) if spec.health else 0
    image, built = _image(ground, spec, opts)
    sized = _size(ground, spec, image, opts)
    # All of what runs in an image that is built here; what its own entry point takes in another one.
    words = [filled(word, INNER) for word in spec.argv]
    container = ground.contain(
        spec.name,
        image=image.image_id,
        inner=INNER,
        port=port,
        grace=spec.grace,
        entry=words if built else (),
        command=() if built else words,
        env=_env(spec),
        secrets=spec.secrets,
        binds=ground.shared,
        memory=spec.memory,
        cpu=spec.cpu,
        single=spec.service if spec.single else "",
        opts=ResourceOptions.merge(opts, _waits(sized)),
    )
    if spec.single:
        return _resting(ground, spec, container)
    known = _version(spec, called, ground.host, port).wire()
    more: dict[str, Any] = {"health": spec.health, "secrets": spec.secrets, "ready": spec.ready, "grace": spec.grace, "opts": opts}
    more["host"] = ground.host if ground.far else ""
    healthy = Healthy(f"{spec.name}-healthy", label=spec.name, container=called, identity=container.id, known=known, port=port, **more)
    # Others call it on the stack's network.
    address = healthy.descriptor.apply(lambda _: f"http://{called}:{INNER}" if port else "")
    if not front or not port:
        return Running(resource=healthy, descriptor=healthy.descriptor, address=address)
    told = door.known(ground, spec.name, front, port=INNER, after=[healthy], opts=opts)
    return Running(resource=told, descriptor=Output.all(healthy.descriptor, told.id).apply(lambda both: both[0]), address=address)


def _resting(ground: Ground, spec: Spec, container: pulumi_docker.Container) -> Running:
    """Return a version of a single service, which does not run yet; whoever calls the service finds it by its own name."""
    address = f"http://{ground.called(spec.service)}:{INNER}" if spec.health else ""
    known = _version(spec, ground.called(spec.name), ground.host, ground.port(spec.name) if spec.health else 0).wire()
    made = container.id
    return Running(resource=container, descriptor=made.apply(lambda _: known), address=made.apply(lambda _: address))


def turn(ground: Ground, spec: Spec, running: Running, opts: ResourceOptions | None) -> Running:
    """Declare that of a single service this version runs."""
    called, port = ground.called(spec.name), ground.port(spec.name) if spec.health else 0
    told = {"name": spec.name, "service": spec.service, "stack": ground.stack, "container": called, "port": port, "ask": []}
    told |= {"health": spec.health, "ready": spec.ready, "grace": spec.grace, "known": _version(spec, called, ground.host, port).wire()}
    told |= {"host": ground.host} if ground.far else {}
    hidden: Any = Output.secret({**spec.secrets}) if spec.secrets else {}
    made: Any = running.resource
    one = Turn(f"{spec.service}-turn", spec=told, identity=made.id, secrets=hidden, opts=opts)
    return Running(resource=one, descriptor=one.descriptor, address=running.address)


def _size(ground: Ground, spec: Spec, image: pulumi_docker.RemoteImage, opts: ResourceOptions | None) -> Size:
    """Declare that the image is no larger than it may be. What serves, or has served, was let in: nothing is asked of it any more."""
    frozen = bool(opts and opts.ignore_changes)
    named = spec.artifact if is_image(spec.artifact) else _tag(ground, spec)
    most = 0 if frozen else ground.largest
    return Size(f"{spec.name}-size", label=spec.name, image=named, identity=image.image_id, most=most, opts=opts)


def _tag(ground: Ground, spec: Spec) -> str:
    """Return the name of an image that is built here, by its content: another content is another one."""
    digest = spec.digest or _digest(spec.artifact)
    return f"sluice/{ground.stack.lower()}-{spec.service.lower()}:{digest[:12]}"


def _image(ground: Ground, spec: Spec, opts: ResourceOptions | None) -> tuple[pulumi_docker.RemoteImage, bool]:
    """Return the version's image, and whether it is built here, of a folder."""
    import pulumi_docker

    name = f"{spec.name}-image"
    if is_image(spec.artifact):
        return ground.fetch(name, spec.artifact, opts), False
    digest = spec.digest or _digest(spec.artifact)
    source = Artifact(spec.name, root=ground.place.root, source=spec.artifact, digest=digest, base=ground.base, opts=opts)
    build = pulumi_docker.RemoteImageBuildArgs(context=source.context, dockerfile=source.recipe, use_legacy_builder=True)
    image = pulumi_docker.RemoteImage(
        name,
        name=_tag(ground, spec),
        build=build,
        triggers={"digest": digest},
        keep_locally=True,
        opts=ResourceOptions.merge(opts, _waits(ground.image, source)),
    )
    return image, True


def _waits(*resources: Resource) -> ResourceOptions:
    return ResourceOptions(depends_on=list(resources))


def _digest(source: str) -> str:
    from pathlib import Path

    from sluice.systems import files

    return files.digest(Path(source))


def _env(spec: Spec) -> Mapping[str, Text]:
    """Return the variables. HOST is where to listen: a container's own loopback is reached by nobody else."""
    own: dict[str, Text] = {"HOST": "0.0.0.0", "PORT": str(INNER), "VERSION": spec.version, "PGAPPNAME": spec.name}
    return own | {name: _filled(value) for name, value in spec.env.items()}


def _filled(value: Text) -> Text:
    told: Output[str] = Output.from_input(value)
    return told.apply(lambda text: filled(_inside(text), INNER))


def _inside(text: str) -> str:
    """Return a file as the version has it, where it is named with a container that has it too (Ground.flags)."""
    container, _, path = text.removeprefix(CONTAINER).partition(":/")
    return f"/{path}" if text.startswith(CONTAINER) and path and "/" not in container else text


def _version(spec: Spec, called: str, host: str, port: int) -> Version:
    application: Any = spec.env.get("PGAPPNAME", spec.name)
    return Version(
        service=spec.service,
        version=spec.version,
        name=spec.name,
        url=f"http://{host}:{port}" if port else "",
        # The engine has both.
        log=f"{CONTAINER}{called}",
        pidfile=f"{CONTAINER}{called}",
        memory=spec.memory or None,
        cpu=spec.cpu or None,
        application=application if isinstance(application, str) else spec.name,
    )
