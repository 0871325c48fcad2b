"""Which versions the proxy knows: a file each, gathered into the one that Envoy watches."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sluice.core.commands import envoy_proxy as say
from sluice.core.errors import RuntimeFailed, Unreachable
from sluice.systems import files

# A warm cluster takes milliseconds; an Envoy that has just died is back within a few seconds.
TIMEOUT = 15.0
POLL = 0.01


def register(front: Mapping[str, Any], name: str, port: int, host: str = say.LOOPBACK) -> None:
    """Make a version known to the proxy, and wait until it is: no weight is ever given to a cluster that is not there."""
    folder = Path(front["folder"])
    with files.lock(folder / "clusters.lock"):
        files.write(folder / "clusters" / f"{name}.json", json.dumps(say.cluster(name, port, host)))
        gather(folder)
    _confirm(folder, front["admin"], name)


def unregister(front: Mapping[str, Any], name: str) -> None:
    """Make the proxy forget a version; fine when it has, and when the proxy is gone. Its route must be closed before."""
    folder = Path(front["folder"])
    if not folder.exists():
        return
    with files.lock(folder / "clusters.lock"):
        (folder / "clusters" / f"{name}.json").unlink(missing_ok=True)
        gather(folder)


def gather(folder: Path) -> None:
    """Write the file that Envoy watches from those of the versions."""
    each = [files.read(path) for path in sorted((folder / "clusters").glob("*.json"))]
    files.write(folder / "cds.json", json.dumps(say.clusters(each)))


def _confirm(folder: Path, admin: str, name: str) -> None:
    """Wait until Envoy follows the clusters' file as it is now: others may be adding theirs."""
    deadline, seen = time.monotonic() + TIMEOUT, ""
    while True:
        try:
            seen, wanted = _followed(admin, name), files.read(folder / "cds.json")["version_info"]
        except Unreachable as error:
            if time.monotonic() > deadline:
                raise
            seen, wanted = str(error), None
        if seen == wanted:
            return
        if time.monotonic() > deadline:
            raise RuntimeFailed(f"envoy did not take '{name}' within {TIMEOUT:.0f} s: it follows '{seen}', expected '{wanted}'")
        time.sleep(POLL)


def _followed(admin: str, name: str) -> str:
    """Return the revision that Envoy follows; "" while it has no server for a version: its name is still being resolved."""
    from sluice.systems import envoy

    found = envoy.stats(admin, rf"^cluster_manager\.cds\.version_text$|^cluster\.{re.escape(name)}\.membership_total$")
    said = {one["name"]: one["value"] for one in found}
    servers = said.get(f"cluster.{name}.membership_total", 0)
    return str(said.get("cluster_manager.cds.version_text", "")) if servers else ""
