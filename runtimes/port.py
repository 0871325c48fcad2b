"""The port of a runtime: what components ask of the place where things run. The docstrings are obligations.

They are the same for processes, containers, pods and remote hosts; `tests/conformance` holds every implementation to them.
A call declares resources while the program runs; its obligations are about what happens when the engine carries them out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from pulumi import Input, Output, Resource, ResourceOptions

from sluice.core.requirement import Requirement

if TYPE_CHECKING:
    from sluice.core.check import Check

Text = Input[str]


@dataclass(frozen=True, kw_only=True)
class Spec:
    """One version of one service, as declared.

    `name` is `service@version-hash`, the hash being of everything below. `artifact` is what runs, a folder or an image, and `digest` its
    content (found out when not given).
    `{port}` in `argv` and `env` becomes the port that the version shall listen on. `secrets` are variables too, and appear in no
    command line, file that others can read, message or state. `health` answers 2xx or 3xx when the version can serve; "" means a worker
    that does not listen. `memory` (bytes) and `cpu` (cores) are its limits, 0 without one. `ready` and `grace` are seconds: to become
    healthy, and to end what it is doing when stopped. `single`: of its service one version at a time runs, the one that has its turn.
    """

    name: str
    service: str
    version: str
    artifact: str
    digest: str = ""
    argv: Sequence[str] = ()
    env: Mapping[str, Text] = field(default_factory=dict)
    secrets: Mapping[str, Text] = field(default_factory=dict)
    memory: int = 0
    cpu: float = 0.0
    health: str = "/health"
    ready: float = 30.0
    grace: float = 10.0
    single: bool = False


@dataclass(frozen=True, kw_only=True)
class Running:
    """A version that runs: `descriptor` is a core.version.Version, known once it is healthy.

    `address` is the URL at which other versions of the stack reach it; None: where the runner does.
    """

    resource: Resource
    descriptor: Output[dict[str, Any]]
    address: Output[str] | None = None

    @property
    def url(self) -> Output[str]:
        """Return where other versions reach it, without a trailing slash; asked for only where one does: each answer costs the engine."""
        return self.address or self.descriptor.apply(lambda found: str(found["url"]))


@dataclass(frozen=True, kw_only=True)
class Front:
    """The front door: `url` is where clients go, `split` the plain descriptor of what divides their traffic."""

    resource: Resource
    url: Output[str]
    split: Output[dict[str, Any]]

    @cached_property
    def address(self) -> Output[str]:
        """Return `split` as one JSON text: what every version is given costs the engine as many times what it holds."""
        return self.split.apply(lambda split: json.dumps(split, sort_keys=True))


@dataclass(frozen=True, kw_only=True)
class Store:
    """A database server as the services reach it, and `tools`, the folder with its clients (pg_dump and others).

    The password is in `passfile` (PGPASSFILE), never in an output.
    """

    resource: Resource
    host: Output[str]
    port: Output[int]
    user: Output[str]
    passfile: Output[str]
    tools: Output[str]

    def env(self, database: str) -> dict[str, Text]:
        """Return the variables with which libpq, and all that is built on it, finds a database."""
        port = self.port.apply(lambda number: str(int(number)))
        where: dict[str, Text] = {"PGHOST": self.host, "PGPORT": port, "PGUSER": self.user, "PGPASSFILE": self.passfile}
        return where | {"PGDATABASE": database}


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A job that has ended well; `log` is where its output is."""

    resource: Resource
    log: Output[str]


class Runtime(Protocol):
    """Where a stack runs.

    Of every resource that is declared here: creating and deleting may be tried twice, and what is as declared stays untouched;
    a failed create leaves nothing behind and raises RuntimeFailed in one line; what has died is started again by a plain `up`; a second
    `up` and a refresh change nothing; destroying leaves no process. Names are unique within a stack.
    `flags` is the file from which every version reads its feature flags (a JSON object of booleans), as SLUICE_FLAGS; `backups` the
    folder of the stack's backups, which outlives a destroy as data do. `journal` is the file, on the machine that deploys, in which is
    written down what happens; it is known before anything runs, and outlives a destroy too.
    `replicas` is how many of one version it can run; None: any number. `keeper` says whether a keeper (sluice.systems.keeper) runs beside
    every front door: whatever dies, it, or what starts it again, takes traffic back that nobody watches. Without one no update can end on
    the way (`rollout.until`).
    """

    @property
    def flags(self) -> Output[str]:
        """Return the path of the flags' file."""

    @property
    def journal(self) -> str:
        """Return the path of the journal; whoever writes the first line makes the file."""

    @property
    def backups(self) -> Output[str]:
        """Return the path of the backups' folder; who makes the first one makes the folder."""

    replicas: int | None
    keeper: bool

    def kept(self, check: Check) -> Check | None:
        """Return a check as the keeper beside the front puts it; None where it cannot, from where it is."""

    def weights(self, replicas: int) -> Sequence[int] | None:
        """Return the shares of its door's traffic, in per cent, that so many replicas of a version can have; None: every whole one."""

    def requires(self, artifacts: Sequence[str]) -> Requirement:
        """Return what must be there before it runs these artifacts for the first time; nothing is asked here, and nothing declared."""

    def after(self, *resources: Resource) -> None:
        """Let nothing of the runtime begin before these resources are there; called before anything is declared in it."""

    def front(self, name: str, *, opts: ResourceOptions | None = None) -> Front:
        """Declare the front door, and the keeper beside it.

        Until somebody has traffic it answers 503; no route that exists is ever replaced here.
        """

    def database(
        self,
        name: str,
        *,
        databases: Sequence[str],
        connections: int = 100,
        keep: bool = True,
        opts: ResourceOptions | None = None,
    ) -> Store:
        """Declare a PostgreSQL server. Databases that are missing are made, none is dropped; data outlives a destroy unless not `keep`."""

    def service(self, spec: Spec, *, front: Front | None = None, opts: ResourceOptions | None = None) -> Running:
        """Declare a version beside the others. It is healthy, and known to `front` without any weight, before the create returns; a single
        one is only made ready to be started, and whether it has a door is not asked.

        What it runs is what was declared, whatever becomes of the source. Deleting takes it from the front, then stops it with its
        grace; that nothing is routed to it any more is the caller's duty (the Guard's).
        """

    def turn(self, spec: Spec, running: Running, *, opts: ResourceOptions | None = None) -> Running:
        """Declare that of a single service this version runs, as `service` has declared it; one call for each service.

        Whichever version of it runs is ended with its grace before this one starts; it is healthy before the call returns. When it does
        not become so, the one before runs again, healthy, before the call fails. All versions have one and the same address.
        """

    def job(
        self,
        name: str,
        *,
        argv: Sequence[str],
        folder: str,
        env: Mapping[str, Text] | None = None,
        secrets: Mapping[str, Text] | None = None,
        deadline: float = 600.0,
        run: Text = "",
        opts: ResourceOptions | None = None,
    ) -> Ran:
        """Declare a command that runs where the data is: on create, and again when an input changes; twice at once never.

        An exit code other than 0 and a passed deadline (seconds) are final: RuntimeFailed with the last lines of its output.
        """
