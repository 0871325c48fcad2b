"""How a running version of a service is reached, as plain data: what a runtime hands to hooks."""

from __future__ import annotations

from sluice.core.value import Value


class Version(Value):
    """One version of one service, named `service@version-hash` (the hash is of its whole spec).

    `url` is its own address as the runner reaches it, without a trailing slash; `log` the file (or folder) of its JSON lines;
    `pidfile` the file with its main process id; both are `docker:NAME` where it is a container. `memory` (bytes) and `cpu` (cores) are its
    limits, None without one; `application` its `application_name` in PostgreSQL.
    """

    service: str
    version: str
    name: str
    url: str
    log: str = ""
    pidfile: str = ""
    memory: int | None = None
    cpu: float | None = None
    application: str = ""
