"""A PostgreSQL server in a container, its data in a volume that outlives it.

The image is an official one of that name, or is told the same way: POSTGRES_USER, POSTGRES_PASSWORD_FILE, PGDATA, and its options as
its command.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pulumi import Output, ResourceOptions

from sluice.core.commands import postgres as say
from sluice.runtimes.docker.ground import LOOPBACK, Ground
from sluice.runtimes.docker.healthy import Healthy
from sluice.runtimes.docker.passfile import USER, Passfile
from sluice.runtimes.port import Store, Text

if TYPE_CHECKING:
    import pulumi_command

INNER = 5432
# Making a cluster takes some seconds, replaying a log after a crash longer.
READY = 120.0
# A fast stop writes a checkpoint: on a slow disk that takes a while, and a kill instead costs a recovery.
GRACE = 60.0
# Where official images up to 17 and from 18 on have their volumes: both are below it.
HOME = "/var/lib/postgresql"


@dataclass(frozen=True, kw_only=True)
class Contained(Store):
    """A server as the machine that deploys reaches it; containers find it by its name, on its own port."""

    inside: str

    def env(self, database: str) -> dict[str, Text]:
        """See the port: the variables are for containers."""
        return super().env(database) | {"PGHOST": self.inside, "PGPORT": str(INNER)}


def server(
    ground: Ground, name: str, *, image: str, databases: Sequence[str], connections: int, keep: bool, opts: ResourceOptions | None
) -> Store:
    """Declare it."""
    import pulumi_docker

    port, called, kept = ground.port(name), ground.called(name), ground.called(f"{name}-data")
    secret = Passfile(
        f"{name}-password",
        root=ground.place.root,
        server=name,
        host=ground.host,
        port=port,
        volume=kept,
        keep=keep,
        **_far(ground),
        opts=opts,
    )
    below = ResourceOptions.merge(opts, ResourceOptions(depends_on=[secret, *ground.after], retain_on_delete=keep))
    volume = pulumi_docker.Volume(f"{name}-data", name=kept, opts=below)
    word = secret.passfile.apply(lambda path: path.removesuffix(".pgpass") + ".password")
    container = ground.contain(
        name,
        image=ground.fetch(f"{name}-image", image, opts).image_id,
        inner=INNER,
        port=port,
        grace=GRACE,
        command=["postgres", "-c", f"max_connections={connections}", "-c", "listen_addresses=*"],
        env={"POSTGRES_USER": USER, "POSTGRES_PASSWORD_FILE": word, "PGDATA": f"{HOME}/cluster"},
        binds=ground.shared,
        volumes={HOME: volume.name},
        opts=opts,
    )
    # Over TCP: while an official image makes its cluster, a server answers on the socket alone.
    asked = ["pg_isready", "--quiet", "--host", LOOPBACK, "--username", USER]
    healthy = Healthy(
        f"{name}-healthy", label=name, container=called, identity=container.id, ask=asked, ready=READY, grace=GRACE, opts=opts
    )
    made = _databases(name, called, databases, ResourceOptions.merge(opts, ResourceOptions(depends_on=[healthy])))
    known = Output.all(healthy.descriptor, made.id)
    return Contained(
        resource=made,
        host=known.apply(lambda _: ground.host),
        port=known.apply(lambda _: port),
        user=known.apply(lambda _: USER),
        passfile=secret.passfile,
        tools=secret.tools,
        inside=called,
    )


def _far(ground: Ground) -> dict[str, Any]:
    """Return the volume that the password goes to, and an image to reach it with, where the engine does not see this machine's folder."""
    volume = ground.volumes.get(ground.secrets)
    return {"far": {"volume": volume.name, "image": ground.image.image_id}} if volume else {}


def _databases(name: str, called: str, databases: Sequence[str], opts: ResourceOptions) -> pulumi_command.local.Command:
    """Make the databases that are missing, in the container, over its own socket."""
    import pulumi_command

    psql = f"docker exec -i {called} psql -X -q -v ON_ERROR_STOP=1 -U {USER} -d postgres"
    # Its last output would go into the next run's environment.
    made = pulumi_command.local.Command
    return made(f"{name}-databases", create=psql, stdin=_sql(databases), add_previous_output_in_env=False, opts=opts)


def _sql(databases: Sequence[str]) -> str:
    named = [say.named(one) for one in databases]
    lines = [f"select 'create database {one}' where not exists (select from pg_database where datname = '{one}') \\gexec" for one in named]
    return "\n".join(lines) + "\n"
