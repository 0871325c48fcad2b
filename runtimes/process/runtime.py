"""The process runtime: everything of a stack from wheels, under one folder, on the loopback; see `runtimes.port`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi import Output, Resource, ResourceOptions

from sluice.core.requirement import Requirement
from sluice.core.spec import image
from sluice.runtimes.port import Front, Ran, Running, Spec, Store, Text
from sluice.runtimes.process.folder import Folder
from sluice.runtimes.process.job import DEADLINE, Job
from sluice.runtimes.process.postgres import CONNECTIONS, Postgres
from sluice.runtimes.process.program import Program
from sluice.runtimes.process.proxy import Proxy
from sluice.runtimes.process.supervisor import Supervisor
from sluice.runtimes.process.turn import Turn
from sluice.systems.home import folder

if TYPE_CHECKING:
    from sluice.core.check import Check


class Process:
    """The port `Runtime` on this machine; `root` is the stack's folder, `<home>/<project>-<stack>` when not given."""

    replicas: int | None = 1
    keeper = True

    def __init__(self, name: str = "host", *, root: Path | None = None, opts: ResourceOptions | None = None) -> None:
        self.name, self.opts = name, opts
        self.place = root or folder(pulumi.get_project(), pulumi.get_stack())
        self.first: list[Resource] = []

    def requires(self, artifacts: Sequence[str]) -> Requirement:
        """See the port: it brings all that it needs."""
        return Requirement()

    def after(self, *resources: Resource) -> None:
        """See the port."""
        self.first += resources

    @cached_property
    def supervisor(self) -> Supervisor:
        """Return the stack's supervisord, declared when the first thing needs it."""
        opts = ResourceOptions.merge(self.opts, ResourceOptions(depends_on=self.first))
        return Supervisor(self.name, root=self.place, opts=opts)

    @cached_property
    def root(self) -> Output[str]:
        """Return the stack's folder."""
        return self.supervisor.root

    @cached_property
    def flags(self) -> Output[str]:
        """See the port."""
        return self.root.apply(lambda root: str(Path(root) / "flags.json"))

    @property
    def journal(self) -> str:
        """See the port."""
        return str(Folder(self.place.expanduser().absolute()).journal)

    @cached_property
    def backups(self) -> Output[str]:
        """See the port."""
        return self.root.apply(lambda root: str(Path(root) / "backups"))

    def kept(self, check: Check) -> Check:
        """See the port: it is on this machine."""
        return check

    def weights(self, replicas: int) -> Sequence[int] | None:
        """See the port: Envoy divides by any whole per cent."""
        return None

    def front(self, name: str, *, opts: ResourceOptions | None = None) -> Front:
        """See the port."""
        proxy = Proxy(name, root=self.root, opts=opts)
        return Front(resource=proxy, url=proxy.url, split=proxy.split)

    def database(
        self,
        name: str,
        *,
        databases: Sequence[str],
        connections: int = CONNECTIONS,
        keep: bool = True,
        opts: ResourceOptions | None = None,
    ) -> Store:
        """See the port."""
        server = Postgres(name, root=self.root, databases=databases, connections=connections, keep=keep, opts=opts)
        return Store(resource=server, host=server.host, port=server.port, user=server.user, passfile=server.passfile, tools=server.tools)

    def service(self, spec: Spec, *, front: Front | None = None, opts: ResourceOptions | None = None) -> Running:
        """See the port."""
        if image(spec.artifact):
            why = f"'{spec.name}' is an image, and the process runtime runs folders"
            raise pulumi.RunError(f"RuntimeFailed: {why}: run: pulumi config set --path sluice:runtime.kind docker")
        split = front.split if front else None
        program = Program(spec.name, root=self.root, front=split, **{k: v for k, v in vars(spec).items() if k != "name"}, opts=opts)
        return Running(resource=program, descriptor=program.descriptor)

    def turn(self, spec: Spec, running: Running, *, opts: ResourceOptions | None = None) -> Running:
        """See the port."""
        told = {"name": spec.name, "service": spec.service, "health": spec.health, "ready": spec.ready, "grace": spec.grace}
        hidden: Any = Output.secret({**spec.secrets}) if spec.secrets else {}
        one = Turn(f"{spec.service}-turn", root=self.root, known=running.descriptor, spec=told, secrets=hidden, opts=opts)
        return Running(resource=one, descriptor=one.descriptor)

    def job(
        self,
        name: str,
        *,
        argv: Sequence[str],
        folder: str,
        env: Mapping[str, Text] | None = None,
        secrets: Mapping[str, Text] | None = None,
        deadline: float = DEADLINE,
        run: Text = "",
        opts: ResourceOptions | None = None,
    ) -> Ran:
        """See the port."""
        job = Job(name, root=self.root, argv=argv, folder=folder, env=env, secrets=secrets, deadline=deadline, run=run, opts=opts)
        return Ran(resource=job, log=job.log)
