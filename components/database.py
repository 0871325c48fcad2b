"""A database server of a stack."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from sluice.components.base import Component
from sluice.runtimes import port

# PostgreSQL's own default; a service's share of it is what the canary's connection check measures.
CONNECTIONS = 100


class Database(Component):
    """A PostgreSQL server with the databases of a stack; data outlives a destroy unless `keep` is false.

    Outputs: `host`, `port`, `user`, `databases`. The password is in a file that only the stack's user can read, never in an output.
    """

    def __init__(
        self,
        name: str,
        *,
        runtime: port.Runtime,
        databases: Sequence[str],
        connections: int = CONNECTIONS,
        keep: bool = True,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, {"databases": list(databases)}, opts)
        below = self.below(*after)
        self.store = runtime.database(f"{name}-server", databases=databases, connections=connections, keep=keep, opts=below)
        self.databases = list(databases)
        address = {"host": self.store.host, "port": self.store.port, "user": self.store.user}
        self.register_outputs({**address, "databases": self.databases})
