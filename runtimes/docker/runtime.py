"""The docker runtime: everything of a stack in containers of one local engine; see `runtimes.port`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pulumi
from pulumi import Output, Resource, ResourceOptions

from sluice.core.requirement import Requirement
from sluice.core.settings import defaults
from sluice.core.spec import image
from sluice.runtimes.docker import door, postgres, version
from sluice.runtimes.docker.ground import Ground
from sluice.runtimes.docker.job import DEADLINE, Job
from sluice.runtimes.port import Front, Ran, Running, Spec, Store, Text
from sluice.runtimes.process.folder import Folder
from sluice.runtimes.process.postgres import CONNECTIONS
from sluice.systems.home import folder

if TYPE_CHECKING:
    from sluice.core.check import Check

# An official image, or one that is told the same way. Its clients, which this machine has, must not be older.
POSTGRES = "postgres:18"
# Runbook 002, "Required checks".
ENGINE = "20.10"


class Docker:
    """The port `Runtime` on a Docker engine of this machine.

    `image` runs folders, the front and jobs: Python with Sluice in it (docs/runtimes/docker.md). `postgres` is what the official images of
    that name are. `largest` is how many bytes a version's image may have. `address` is where this machine reaches the engine's when that is
    another one. `root` is the stack's folder here, `<home>/<project>-<stack>` when not given.
    """

    replicas: int | None = 1
    keeper = True

    def __init__(
        self,
        name: str = "host",
        *,
        image: str,
        postgres: str = POSTGRES,
        largest: int = defaults.IMAGE,
        address: str = "",
        root: Path | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        project, short = pulumi.get_project(), pulumi.get_stack()
        stack = f"{project}-{short}"
        place = (root or folder(project, short)).expanduser().absolute()
        self.postgres = postgres
        self.ground = Ground(name, stack=stack, root=place, image=image, largest=largest, address=address, opts=opts)

    def requires(self, artifacts: Sequence[str]) -> Requirement:
        """See the port. What is built of folders is looked at once it is there."""
        return Requirement(engine=ENGINE, images={one: self.ground.largest for one in artifacts if image(one)})

    def after(self, *resources: Resource) -> None:
        """See the port."""
        self.ground.after += resources

    @cached_property
    def flags(self) -> Output[str]:
        """See the port. A folder of its own: a file that is renamed over is not seen by who has the old one mounted."""
        return self.ground.flags

    @property
    def journal(self) -> str:
        """See the port."""
        return str(Folder(self.ground.place_root).journal)

    @cached_property
    def backups(self) -> Output[str]:
        """See the port."""
        return self.ground.place.root.apply(lambda root: str(Path(root) / "backups"))

    def kept(self, check: Check) -> Check | None:
        """See the port: it is on the stack's network, and has the passwords."""
        from sluice.core.within import within

        return within(check, self.ground.places, self.ground.secrets, self.ground.host)

    def weights(self, replicas: int) -> Sequence[int] | None:
        """See the port: Envoy divides by any whole per cent."""
        return None

    def front(self, name: str, *, opts: ResourceOptions | None = None) -> Front:
        """See the port."""
        return door.front(self.ground, name, opts)

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
        return postgres.server(self.ground, name, image=self.postgres, databases=databases, connections=connections, keep=keep, opts=opts)

    def service(self, spec: Spec, *, front: Front | None = None, opts: ResourceOptions | None = None) -> Running:
        """See the port."""
        return version.run(self.ground, spec, front, opts)

    def turn(self, spec: Spec, running: Running, *, opts: ResourceOptions | None = None) -> Running:
        """See the port."""
        return version.turn(self.ground, spec, running, opts)

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
        ground = self.ground
        job = Job(
            name,
            container=ground.called(name),
            root=ground.place.root,
            image=ground.image.image_id,
            network=ground.network.name,
            labels=ground.tags(name),
            argv=argv,
            folder=folder,
            far={path: one.name for path, one in ground.volumes.items()},
            env=env,
            secrets=secrets,
            deadline=deadline,
            run=run,
            opts=opts,
        )
        return Ran(resource=job, log=job.log)
