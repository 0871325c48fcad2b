"""A PostgreSQL server from its wheel, by pg_ctl: nothing that happens to supervisord touches it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import Resource

from sluice.runtimes.process.base import Props, Provider
from sluice.runtimes.process.folder import Folder
from sluice.systems import process

# PostgreSQL's own default; the check of connections compares with it.
CONNECTIONS = 100


class PostgresProvider(Provider):
    """Inputs: name, root, databases, connections, keep. Outputs: host, port, user, passfile, log, tools."""

    def start(self, props: Props, olds: Props) -> Props:
        """Make the cluster unless there is one, start it unless it runs as declared, make the databases that are missing."""
        from sluice.runtimes.process import ports
        from sluice.runtimes.process.server import HOST, USER, Server, tools

        server = Server(Folder(Path(props["root"])), props["name"])
        server.make()
        if olds and olds["connections"] != props["connections"]:
            server.halt()
        if not server.alive():
            server.start(ports.allocate(server.folder, server.name), int(props["connections"]))
        port = ports.known(server.folder)[server.name]
        server.create(props["databases"], port)
        return {"host": HOST, "port": port, "user": USER, "passfile": str(server.passfile), "log": str(server.log), "tools": tools()}

    def alive(self, props: Props) -> bool:
        """Say whether the postmaster runs."""
        home = Folder(Path(props["root"])).server(props["name"])
        return process.owner(home / "data" / "postmaster.pid") is not None

    def undo(self, props: Props) -> None:
        """Stop the server; data may be older than this stack's state, and stays."""
        self.stop({**props, "keep": True})

    def stop(self, props: Props) -> None:
        """Stop the server; remove its data only when told to."""
        from sluice.runtimes.process import ports
        from sluice.runtimes.process.server import Server

        server = Server(Folder(Path(props["root"])), props["name"])
        server.halt()
        if server.folder.lock.parent.exists():
            ports.release(server.folder, server.name)
        if not props["keep"]:
            server.remove()


class Postgres(Resource, module="process", name="Postgres"):
    """A PostgreSQL server on the loopback. `passfile` (PGPASSFILE) is readable for the stack's user alone; no output holds a password.

    `connections` is max_connections; `databases` are made when missing and never dropped; `keep` false removes the data on delete.
    """

    host: Output[str]
    port: Output[int]
    user: Output[str]
    passfile: Output[str]
    log: Output[str]
    tools: Output[str]

    def __init__(
        self,
        name: str,
        *,
        root: Input[str],
        databases: Sequence[str] = (),
        server: str = "",
        connections: int = CONNECTIONS,
        keep: bool = True,
        opts: ResourceOptions | None = None,
    ) -> None:
        outputs = dict.fromkeys(("host", "port", "user", "passfile", "log", "tools"))
        inputs = {"root": root, "databases": list(databases), "connections": connections, "keep": keep}
        super().__init__(PostgresProvider(), name, {"name": server or name, **inputs, **outputs}, opts)
