"""What one would type to ask a check's question oneself."""

from __future__ import annotations

import shlex
from urllib.parse import urlsplit

from sluice.core.check import Check
from sluice.core.commands.docker import latest
from sluice.core.diagnosis.finding import psql
from sluice.core.store import PORT, Store


def plain(check: Check) -> str:
    """Return a command that asks the same, "" where there is none; what a URL or a header may hold in secrets stays out of it."""
    of = check.of
    if check.ask.startswith("http."):
        parts = urlsplit(str(of["url"]))
        url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        return shlex.join(["curl", "-sS", "-i", "-X", str(of.get("method", "GET")), url])
    if check.ask in ("sql", "sql.rows"):
        where = {name: str(of.get(name, "")) for name in ("host", "user", "dbname", "passfile")}
        return psql(Store(**where, port=int(of.get("port", PORT))), str(of["query"]))
    if check.ask.startswith("logs."):
        return shlex.join(latest(str(of["path"]), 100))
    return ""
