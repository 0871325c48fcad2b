"""What all containers of a stack share: its folder, its network, its images, and how a container is declared.

Every option here is against a default of pulumi-docker: docs/decisions/0024-docker.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi import Input, Output, Resource, ResourceHook, ResourceHookArgs, ResourceHookBinding, ResourceOptions

from sluice.core.commands import docker as say
from sluice.core.errors import SluiceError
from sluice.runtimes.docker.place import FLAGS, SECRETS, Place
from sluice.runtimes.docker.ports import choose

if TYPE_CHECKING:
    import pulumi_docker

LOOPBACK = "127.0.0.1"
# What the engine keeps of a container's output: enough for a day of a busy service, and never the whole disk.
LOGS = {"max-size": "50m", "max-file": "3"}


class Ground:
    """The ground of one stack; `image` runs folders, the front and jobs, `after` is what all of it waits for; `largest` is how many bytes
    the image of a version may have. With an `address` the engine is on another machine, there: nothing of this one's files can be mounted,
    and containers are published on that address."""

    def __init__(
        self, name: str, *, stack: str, root: Path, image: str, largest: int, address: str = "", opts: ResourceOptions | None
    ) -> None:
        self.name, self.stack, self.place_root, self.base, self.largest, self.opts = name, stack, root, image, largest, opts
        self.far, self.host = bool(address), address or LOOPBACK
        self.door: tuple[str, Output[Any]] | None = None
        self.after: list[Resource] = []
        self.given: dict[str, int] = {}
        # Where a published port is on the stack's network: the container's name, and its own port.
        self.places: dict[int, tuple[str, int]] = {}

    @cached_property
    def place(self) -> Place:
        """Return the stack's folder, declared when the first thing needs it."""
        waits = ResourceOptions(depends_on=self.after)
        return Place(self.name, root=self.place_root, opts=ResourceOptions.merge(self.opts, waits))

    @cached_property
    def network(self) -> pulumi_docker.Network:
        """Return the stack's network, on which containers find each other by name."""
        import pulumi_docker

        name = say.contained(self.stack, "net")
        opts = ResourceOptions.merge(self.opts, ResourceOptions(depends_on=[*self.after, self.place], hooks=self.room))
        return pulumi_docker.Network(f"{self.name}-net", name=name, labels=[_net(say.STACK, self.stack)], opts=opts)

    @cached_property
    def image(self) -> pulumi_docker.RemoteImage:
        """Return the stack's image."""
        return self.fetch(f"{self.name}-image", self.base, self.opts)

    def fetch(self, name: str, image: str, opts: ResourceOptions | None) -> pulumi_docker.RemoteImage:
        """Declare an image that is somewhere. It is kept when nobody declares it any more: going back must not need a registry."""
        import pulumi_docker

        waits = ResourceOptions(depends_on=self.after)
        return pulumi_docker.RemoteImage(name, name=image, keep_locally=True, opts=ResourceOptions.merge(opts, waits))

    @cached_property
    def room(self) -> ResourceHookBinding:
        """Return what makes room for a container or a network before it is made: `clear`."""
        return ResourceHookBinding(before_create=[ResourceHook(f"{self.name}-room", self.clear)])

    def clear(self, args: ResourceHookArgs) -> None:
        """Remove what has the name of something that is about to be made, and is this stack's; nobody else's is touched.

        State does not know it, or it would not be made: an update was killed before it could write down what the engine had made.
        """
        from sluice.systems import docker

        docker.clear("network" if args.type.endswith(":Network") else "container", str((args.new_inputs or {})["name"]), self.stack)

    @cached_property
    def labels(self) -> dict[str, dict[str, str]]:
        """Return the labels of the stack's containers as they are now; RunError where the engine is none that this runtime can use."""
        from sluice.systems import docker

        try:
            if why := _unfit(docker.host(), self.far) or _astray(docker.astray()):
                raise pulumi.RunError(f"RuntimeFailed: {why}")
            return docker.listed(self.stack)
        except SluiceError as error:
            raise pulumi.RunError(f"{type(error).__name__}: {error}") from None

    def port(self, name: str) -> int:
        """Return the port of the loopback on which a container is published."""
        if name not in self.given:
            self.given[name] = choose(self.labels, self.stack, name, {*self.given.values(), *self._others()}, here=not self.far)
        return self.given[name]

    def _others(self) -> set[int]:
        """Return the ports that other stacks have on another machine, of which nobody here can see which are free."""
        if not self.far:
            return set()
        from sluice.systems import docker

        return {int(one[say.PORT]) for one in docker.published().values() if one.get(say.STACK) != self.stack}

    @cached_property
    def volumes(self) -> dict[str, pulumi_docker.Volume]:
        """Return what is in the place of folders that cannot be mounted, by their path; {} on this machine."""
        return {str(self.place_root / part): self._volume(part) for part in (FLAGS, SECRETS)} if self.far else {}

    def _volume(self, part: str) -> pulumi_docker.Volume:
        import pulumi_docker

        opts = ResourceOptions.merge(self.opts, ResourceOptions(depends_on=self.after))
        return pulumi_docker.Volume(f"{self.name}-{part}", name=self.called(part), opts=opts)

    @cached_property
    def flags(self) -> Output[str]:
        """Return the file with the feature flags; on another machine with the container in which it is (systems.flags)."""
        file = str(self.place_root / FLAGS / "flags.json")
        if not self.far:
            return self.place.root.apply(lambda _: file)
        if self.door is None:
            raise pulumi.RunError("flags on another machine are switched through the front door, and there is none: declare it first")
        called, known = self.door
        return known.apply(lambda _: f"{say.CONTAINER}{called}:{file}")

    def called(self, name: str) -> str:
        """Return the name of a container or volume."""
        return say.contained(self.stack, name)

    def tags(self, name: str, port: int = 0, single: str = "") -> dict[str, str]:
        """Return the labels of a container."""
        more = {say.PORT: str(port) if port else "", say.SINGLE: single}
        return {say.STACK: self.stack, say.NAME: name, **{label: value for label, value in more.items() if value}}

    @property
    def shared(self) -> list[str]:
        """Return the folders that versions and jobs see under the same names: flags and passwords."""
        return [str(self.place_root / FLAGS), self.secrets]

    @property
    def secrets(self) -> str:
        """Return the folder with passwords."""
        return str(self.place_root / SECRETS)

    def contain(
        self,
        name: str,
        *,
        image: Input[str],
        inner: int,
        port: int,
        grace: float,
        command: Sequence[str] = (),
        entry: Sequence[str] = (),
        env: Mapping[str, Input[str]] | None = None,
        secrets: Mapping[str, Input[str]] | None = None,
        binds: Sequence[str] = (),
        volumes: Mapping[str, Input[str]] | None = None,
        memory: int = 0,
        cpu: float = 0.0,
        single: str = "",
        opts: ResourceOptions | None = None,
    ) -> pulumi_docker.Container:
        """Declare a container. `binds` are folders that it sees under the same name, `volumes` its volumes by where they are in it;
        `memory` in bytes, `cpu` in cores, `grace` in seconds. It is published on `host` alone, as `port`, when that is not 0.
        `single` is the service of which one version at a time runs: all have its name on the network, and a `Turn` starts them."""
        import pulumi_docker as docker

        self.places |= {port: (self.called(name), inner)} if port else {}
        mine = ResourceOptions(
            # It has a fixed name. That the old version dies before the new one is there cannot happen: that is another resource.
            delete_before_replace=True,
            # What the provider takes in place and does nothing about, and a create that has failed, become a new container.
            replace_on_changes=["*"],
            depends_on=[self.place, *self.after],
            hooks=self.room,
        )
        return docker.Container(
            name,
            name=self.called(name),
            image=image,
            command=list(command) or None,
            entrypoints=list(entry) or None,
            envs=_variables(env or {}, secrets or {}),
            ports=[docker.ContainerPortArgs(internal=inner, external=port, ip=self.host)] if port else None,
            networks_advanced=[
                docker.ContainerNetworksAdvancedArgs(name=self.network.name, aliases=[self.called(single)] if single else None)
            ],
            volumes=_mounts(binds, volumes or {}, self.volumes),
            labels=[docker.ContainerLabelArgs(label=label, value=value) for label, value in self.tags(name, port, single).items()],
            **_limits(memory, cpu),
            **_life(grace, starts=not single),
            opts=ResourceOptions.merge(opts, mine),
        )


def _unfit(where: str, far: bool) -> str:
    """Say why an engine cannot be used that is at `where`."""
    if far or where.startswith(("unix://", "npipe://")):
        return ""
    why = f"the engine is at '{where}', and containers would be published on the loopback of its machine, which this one does not reach"
    return f"{why}; run: pulumi config set --path sluice:runtime.address ADDRESS, one of that machine that few others reach"


def _astray(where: str) -> str:
    """Say why Pulumi's provider would ask another engine than the client, which has its own at `where`."""
    if not where:
        return ""
    why = f"docker's context has the engine at '{where}', and Pulumi's provider, which reads no context, would ask another one"
    return f"{why}; run: export DOCKER_HOST={where}"


def _mounts(
    binds: Sequence[str], volumes: Mapping[str, Input[str]], far: Mapping[str, pulumi_docker.Volume]
) -> list[pulumi_docker.ContainerVolumeArgs]:
    import pulumi_docker as docker

    return [
        *(docker.ContainerVolumeArgs(host_path=bind, container_path=bind, read_only=True) for bind in binds if bind not in far),
        *(docker.ContainerVolumeArgs(volume_name=far[bind].name, container_path=bind, read_only=True) for bind in binds if bind in far),
        *(docker.ContainerVolumeArgs(volume_name=volume, container_path=path) for path, volume in volumes.items()),
    ]


def _limits(memory: int, cpu: float) -> dict[str, Any]:
    """Return what keeps a container to so many bytes and cores; 0 is no limit."""
    megabytes = math.ceil(memory / 2**20) or None
    # As the provider reads it back, "1.0" and never "1": it compares texts, and would make a version anew at each update, a frozen one too.
    cores = str(round(float(cpu), 3))
    # Without a limit of its own the engine gives as much swap again.
    return {"memory": megabytes, "memory_swap": megabytes, "cpus": cores if cpu else None}


def _life(grace: float, *, starts: bool) -> dict[str, Any]:
    """Return how a container starts, is started again, and ends within `grace` seconds; its log does not fill the disk. One that does not
    start by itself waits for its turn."""
    seconds = max(1, math.ceil(grace))
    return {
        # A first process gets no default handling of signals, and reaps nobody.
        "init": True,
        # An engine that has died ends its containers when it is back, and takes that for a wish: `unless-stopped` leaves them so. That is
        # right for who takes turns alone: the one whose turn is over must not come back beside the other.
        "restart": "always" if starts else "unless-stopped",
        "must_run": starts,
        **({} if starts else {"start": False}),
        # Without it a stop is a kill.
        "destroy_grace_seconds": seconds,
        "stop_timeout": seconds,
        "log_driver": "json-file",
        "log_opts": LOGS,
    }


def _variables(env: Mapping[str, Input[str]], secrets: Mapping[str, Input[str]]) -> Output[list[str]]:
    """Return the environment as the engine takes it; secret as a whole when any of it is."""
    told: dict[str, Input[str]] = {**env, **{name: Output.secret(value) for name, value in secrets.items()}}
    return Output.from_input(told).apply(lambda known: [f"{name}={value}" for name, value in sorted(known.items())])


def _net(label: str, value: str) -> pulumi_docker.NetworkLabelArgs:
    import pulumi_docker

    return pulumi_docker.NetworkLabelArgs(label=label, value=value)
