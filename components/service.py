"""A service: what a team declares of it, and one version of it as resources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pulumi

from sluice.components.base import Component, known
from sluice.components.database import Database
from sluice.core.spec import GRACE, READY, Spec, image
from sluice.hooks.guard import Guard
from sluice.runtimes import port


@dataclass(frozen=True, kw_only=True)
class ServiceArgs:
    """What stays the same from version to version.

    `argv` may hold `{port}`; `artifact` is the folder that runs, or an image by its digest (`name@sha256:...`); `prefix` its door;
    `database` the name of a database of the stack's server; `env` plain variables, `secrets` variables whose values are secret;
    `connections` the most it should open to its database; `needs` the services that are up, and well, before it, whose addresses it gets
    as `<NAME>_URL`; `memory` in bytes and `cpu` in cores are what its canary is measured against (0: unmeasured); `health` its health
    path; `ready` and `grace` in seconds; `single`: one version of it runs at a time, a worker that must not run twice say, and the new one
    takes the place of the old one.
    """

    name: str
    argv: Sequence[str]
    artifact: str | Path
    prefix: str = ""
    database: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    connections: int | None = None
    needs: Sequence[str] = ()
    memory: int = 0
    cpu: float = 0.0
    health: str = "/health"
    ready: float = READY
    grace: float = GRACE
    single: bool = False

    def spec(self, version: str, *, settings: Mapping[str, str] | None = None, replicas: int = 1, needs: Sequence[str] = ()) -> Spec:
        """Return the spec of one version, with its release's settings over the plain variables; `needs` are the versions it calls."""
        artifact, digest = _found(str(self.artifact))
        return Spec(
            service=self.name,
            version=version,
            digest=digest,
            argv=list(self.argv),
            artifact=artifact,
            prefix=self.prefix,
            database=self.database,
            env={**self.env, **(settings or {})},
            secrets=sorted(self.secrets),
            replicas=replicas,
            connections=self.connections,
            needs=list(needs),
            memory=self.memory,
            cpu=self.cpu,
            health=self.health,
            ready=self.ready,
            grace=self.grace,
            single=self.single,
        )


def _found(artifact: str) -> tuple[str, str]:
    """Return what runs and the digest of its content; an image by its digest says both."""
    if image(artifact):
        return artifact, artifact.rpartition(":")[2]
    place = str(Path(artifact).absolute())
    return place, _digest(place)


@lru_cache
def _digest(artifact: str) -> str:
    from sluice.core.errors import Unreachable
    from sluice.systems import files

    try:
        return files.digest(Path(artifact))
    except Unreachable as error:
        raise pulumi.RunError(f"Unreachable: {error}") from None


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """A version as it was declared: `last` of its resources comes into being after all others, and goes before them."""

    running: port.Running
    last: pulumi.Resource


def deploy(
    owner: Component,
    spec: Spec,
    *,
    runtime: port.Runtime,
    front: port.Front | None = None,
    database: Database | None = None,
    secrets: Mapping[str, pulumi.Input[str]] | None = None,
    needs: Mapping[str, Deployed] | None = None,
    frozen: bool = False,
    turn: bool = False,
    after: Sequence[pulumi.Resource] = (),
) -> Deployed:
    """Declare a version, and its guard if it has a door, as children of `owner`; the arguments are those of `Service`.
    `needs` are the versions that it calls, by service; `turn`: of a single service this is the version that runs.

    A Release, with its hundreds of versions, saves itself a component for each: that would be a third of all registrations.
    """
    called = needs or {}
    waits = [*after, *(one.last for one in called.values()), *known([database and database.store.resource])]
    spoken = _spoken(spec, runtime, database, secrets or {}, called)
    running = runtime.service(spoken, front=None if spec.single else front, opts=owner.below(*waits, frozen=frozen))
    if turn:
        running = runtime.turn(spoken, running, opts=owner.below(*waits, running.resource))
    last = running.resource
    if front and not spec.single:
        last = Guard(f"{spec.name}-guard", {"version": spec.name, "split": front.address}, owner.below(running.resource))
    return Deployed(running=running, last=last)


class Service(Component):
    """One version of one service beside the others, and its guard.

    Named after its spec, so two versions never share a resource. `frozen` for a version that serves: nothing of it changes in
    place, except that it is started again when it has died. Output: `descriptor`, how to reach it (core.version.Version).
    """

    descriptor: pulumi.Output[dict[str, Any]]

    def __init__(
        self,
        spec: Spec,
        *,
        runtime: port.Runtime,
        front: port.Front | None = None,
        database: Database | None = None,
        secrets: Mapping[str, pulumi.Input[str]] | None = None,
        frozen: bool = False,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        if spec.single:
            why = "runs one version at a time (single), and only a Release knows whose turn it is: declare it in one"
            raise pulumi.RunError(f"service '{spec.service}': {why}")
        super().__init__(spec.name, {}, opts)
        more: dict[str, Any] = {"front": front, "database": database, "secrets": secrets, "frozen": frozen, "after": after}
        self.descriptor = deploy(self, spec, runtime=runtime, **more).running.descriptor
        self.register_outputs({"descriptor": self.descriptor})


def variable(service: str) -> str:
    """Return the variable in which others find a service that they need."""
    return f"{service.upper().replace('-', '_')}_URL"


def _spoken(
    spec: Spec, runtime: port.Runtime, database: Database | None, secrets: Mapping[str, pulumi.Input[str]], needs: Mapping[str, Deployed]
) -> port.Spec:
    """Say a spec to the runtime, with what is known only when the engine runs: the addresses of database and services, the flags' file."""
    env: dict[str, pulumi.Input[str]] = {**spec.env, "SLUICE_FLAGS": runtime.flags}
    env |= {variable(service): one.running.url for service, one in needs.items()}
    if spec.database and database:
        env |= database.store.env(spec.database)
    return port.Spec(
        name=spec.name,
        service=spec.service,
        version=spec.version,
        artifact=spec.artifact,
        digest=spec.digest,
        argv=spec.argv,
        env=env,
        secrets={name: secrets[name] for name in spec.secrets if name in secrets},
        memory=spec.memory,
        cpu=spec.cpu,
        health=spec.health,
        ready=spec.ready,
        grace=spec.grace,
        single=spec.single,
    )
