"""How a program is started, watched until it is ready, and stopped: the same for services and for the proxy."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from sluice.core.commands import supervisord as say
from sluice.core.commands.supervisord import Launch
from sluice.core.errors import RuntimeFailed, Unreachable
from sluice.core.secret import redact
from sluice.runtimes.process import ports
from sluice.runtimes.process.folder import Folder
from sluice.systems import files, process
from sluice.systems.supervisord import Program, Supervisord

POLL = 0.05
LOOPBACK = "127.0.0.1"
# A port can be taken between the test and the start; three strangers in a row are no accident.
ATTEMPTS = 3
# What is said of a log in an error: enough for a traceback's end, few enough for one line.
LINES = 6
DOWN = ("BACKOFF", "EXITED", "FATAL", "STOPPED", "UNKNOWN")

# Says whether a program with this port is ready: "" when it is, else what was seen instead.
Probe = Callable[[int], str]


def nothing(port: int) -> None:
    """Prepare nothing."""


def start(
    folder: Folder,
    launch: Launch,
    *,
    probe: Probe | None,
    ready: float,
    prepare: Callable[[int], None] = nothing,
) -> int:
    """Start a program and wait until it is ready; return its port, 0 without a probe: a worker. One that runs is stopped first.

    `prepare` is told the port before each start. RuntimeFailed with the last log lines when the program ends, or is not ready
    within `ready` seconds.
    """
    stop(folder, launch.name, launch.grace)
    for attempt in range(1, ATTEMPTS + 1):
        port = ports.allocate(folder, launch.name) if probe else 0
        since = _size(folder.log(launch.name))
        prepare(port)
        _submit(folder, launch, port)
        why = fault(folder, launch.name, port, probe, ready)
        if not why:
            return port
        stranger = port and ports.accepts(port) and not process.listens(_pid(folder, launch.name), port)
        if not stranger or attempt == ATTEMPTS:
            raise RuntimeFailed(f"'{launch.name}' did not start: {why}; {quoted(folder, launch.name, launch.secrets, since)}")
        stop(folder, launch.name, launch.grace)
    raise AssertionError("the last attempt returns or raises")


def _submit(folder: Folder, launch: Launch, port: int) -> None:
    """Write what supervisord and the launcher read, and start: one program at a time, since all are read again."""
    with files.lock(folder.lock):
        _write(folder, launch, port)
        _add(folder, launch.name, launch.grace)


def _write(folder: Folder, launch: Launch, port: int) -> None:
    pidfile, secrets = folder.pidfile(launch.name), folder.secrets(launch.name)
    text = say.launcher(launch, pidfile=str(pidfile), secrets=str(secrets), port=port)
    if launch.secrets:
        files.write(secrets, "\n".join(say.exports(launch.secrets)) + "\n", mode=0o600)
    files.write(folder.launcher(launch.name), text, mode=0o600)


def _add(folder: Folder, name: str, grace: float) -> None:
    files.write(folder.conf(name), say.program(str(folder.root), name, grace))
    Supervisord(folder.supervisor).add(name)


def lay(folder: Folder, launch: Launch, *, listens: bool) -> int:
    """Write all that a version of a single service is started by, and do not start it; return its port, which all versions of it have."""
    service = launch.name.partition("@")[0]
    port = (ports.known(folder).get(service) or ports.allocate(folder, service)) if listens else 0
    with files.lock(folder.lock):
        _write(folder, launch, port)
    return port


def wake(folder: Folder, name: str, port: int, *, probe: Probe | None, ready: float, grace: float, secrets: Mapping[str, str]) -> None:
    """Start what was laid down unless it runs, and wait until it is ready; RuntimeFailed as of `start`."""
    since = _size(folder.log(name))
    if _pid(folder, name) is None:
        rest(folder, name, grace)
        with files.lock(folder.lock):
            _add(folder, name, grace)
    why = fault(folder, name, port, probe, ready)
    if why:
        raise RuntimeFailed(f"'{name}' did not start: {why}; {quoted(folder, name, secrets, since)}")


def fault(folder: Folder, name: str, port: int, probe: Probe | None, ready: float) -> str:
    """Wait until a program is ready: "" then, else what is wrong with it after `ready` seconds, or as soon as it has ended."""
    supervisord, until = Supervisord(folder.supervisor), time.monotonic() + ready
    while True:
        program = supervisord.program(name)
        if program is None or program.state in DOWN:
            return _ended(program)
        seen = _seen(program, probe, port)
        if not seen and (not port or process.listens(_pid(folder, name), port)):
            return ""
        if time.monotonic() > until:
            return seen or f"port {port} is answered by a process that is not its own"
        time.sleep(POLL)


def _seen(program: Program, probe: Probe | None, port: int) -> str:
    """Ask the probe; a worker has none, and is ready once it has outlived its first second."""
    if probe:
        return probe(port)
    return "" if program.state == "RUNNING" else f"it is {program.state.lower()}"


def _ended(program: Program | None) -> str:
    return f"it ended at start (supervisord says {program.state})" if program else "supervisord has forgotten it"


def _pid(folder: Folder, name: str) -> int | None:
    return process.owner(folder.pidfile(name))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def quoted(folder: Folder, name: str, secrets: Mapping[str, str], since: int) -> str:
    """Quote what a program has logged last, without its secrets, and say where the rest is."""
    log = folder.log(name)
    # Cleaned before the lines are joined: a secret may have several.
    text = redact("\n".join(files.tail(log, LINES, since=since)), secrets.values())
    return f"its last log lines: {' | '.join(text.splitlines()) or 'none'}; all of them: '{log}'"


def answers(path: str, host: str = LOOPBACK) -> Probe:
    """Build the probe of a service: `path` answers 2xx or 3xx."""

    def probe(port: int) -> str:
        url = f"http://{host}:{port}{path}"
        connection = http.client.HTTPConnection(host, port, timeout=5)
        try:
            connection.request("GET", path)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return f"GET {url} is not answered ({type(error).__name__})"
        finally:
            connection.close()
        return "" if 200 <= status < 400 else f"GET {url} is answered with {status}, expected 2xx or 3xx"

    return probe


def stop(folder: Folder, name: str, grace: float) -> None:
    """Stop a program and forget its configuration; fine when it, or supervisord, is gone. Its log and its port are kept."""
    rest(folder, name, grace)
    for path in (folder.launcher(name), folder.secrets(name)):
        path.unlink(missing_ok=True)


def rest(folder: Folder, name: str, grace: float) -> None:
    """Stop a program, which supervisord forgets; what it is started by stays."""
    left = process.tree(_pid(folder, name))
    folder.conf(name).unlink(missing_ok=True)
    try:
        Supervisord(folder.supervisor).remove(name, grace)
    except Unreachable:
        process.end(left, grace)
    # What a program has left behind has had its grace.
    process.end(left, 1.0)
    folder.pidfile(name).unlink(missing_ok=True)


def forget(folder: Folder, name: str, grace: float) -> None:
    """Stop a program and give its port back; fine when nothing is there, the stack's folder included."""
    if folder.lock.parent.exists():
        stop(folder, name, grace)
        ports.release(folder, name)
