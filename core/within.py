"""A check as the keeper puts it that is in a network of its own: what the runner reaches on its loopback has a name there. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from sluice.core.check import Check
from sluice.core.store import PORT

LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Where somebody is, by the port of the loopback on which the runner reaches him: his host and port in the network.
Places = Mapping[int, tuple[str, int]]


def within(check: Check, places: Places, shared: str, host: str = LOOPBACK[0]) -> Check | None:
    """Return the check for whoever is inside; None where it asks for what only the runner has: logs, processes and files, another port
    of its loopback, a secret that it refers to. `shared` is a folder that both see under the same name, `host` where the runner reaches
    the `places`."""
    system = check.ask.partition(".")[0]
    if system == "split":
        return check
    put = {"http": _http, "prometheus": _http, "sql": _sql}.get(system)
    of = put(check.of, places, shared, (*LOOPBACK, host)) if put else None
    return None if of is None else check.model_copy(update={"of": of})


def _http(of: Mapping[str, Any], places: Places, shared: str, hosts: Collection[str]) -> dict[str, Any] | None:
    # As systems.http reads them, word by word.
    if any(re.search(r"(?<!\S)(?:env|file):\S", str(value)) for value in (of.get("headers") or {}).values()):
        return None
    parts = urlsplit(str(of["url"]))
    if parts.hostname not in hosts:
        return dict(of)
    found = places.get(parts.port or 0)
    user, at, _ = parts.netloc.rpartition("@")
    return {**of, "url": urlunsplit(parts._replace(netloc=f"{user}{at}{found[0]}:{found[1]}"))} if found else None


def _sql(of: Mapping[str, Any], places: Places, shared: str, hosts: Collection[str]) -> dict[str, Any] | None:
    if of.get("passfile") and PurePosixPath(shared) not in PurePosixPath(str(of["passfile"])).parents:
        return None
    host = str(of["host"])
    if host not in hosts and not host.startswith("/"):
        return dict(of)
    found = places.get(int(of.get("port", PORT)))
    return {**of, "host": found[0], "port": found[1]} if found else None
