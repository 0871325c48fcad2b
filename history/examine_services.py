"""What `doctor` asks of services, their front door, and their supervisor."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import Any

from sluice.core.commands.docker import CONTAINER
from sluice.core.diagnosis import machine, service, stack
from sluice.core.diagnosis.finding import Finding, fine
from sluice.core.diagnosis.stack import Answer
from sluice.core.errors import SluiceError, Unreachable
from sluice.core.reading import Reading, Unasked
from sluice.core.version import Version
from sluice.history.scene import Scene
from sluice.systems import files, logs, process
from sluice.systems import machine as here


def traffic(scene: Scene) -> list[Finding]:
    """Ask the splitter who has the traffic."""
    share = scene.share
    proven = scene.seen.live.names if scene.seen.live else set[str]()
    doors = {f"{route.service} {route.prefix}": share.weights(route) for route in share.routes}
    # A release that is held on its way has its share by right, as long as somebody watches it.
    return stack.traffic(doors, sorted(proven), busy=scene.busy or (scene.watch.lease is not None and scene.watch.keeper))


def serves(scene: Scene, name: str) -> bool:
    """Say whether a version has traffic; where nobody can say, it may."""
    try:
        return scene.share.carries(name)
    except Unreachable:
        return True


def version(scene: Scene, one: Version, health: str) -> list[Finding]:
    """Ask a version on its own address; a worker, which has none, is only looked for."""
    runs = _runs(one)
    return [_version(scene, one, health, runs), *(_inside(scene, one) if runs else [])]


def _runs(one: Version) -> bool:
    from sluice.systems import docker

    name = one.pidfile.removeprefix(CONTAINER)
    if name == one.pidfile:
        return bool(here.family(Path(name)))
    found = docker.state(name)
    return found is not None and found.runs


def _version(scene: Scene, one: Version, health: str, runs: bool) -> Finding:
    if not one.url:
        cause = "its process has ended"
        return fine(stack.SERVICES, one.name, "runs") if runs else stack.gone(stack.SERVICES, one.name, "does not run", cause)
    answer = _get(one.url + health, scene.limit)
    return stack.version(one.name, answer, runs=runs, serves=serves(scene, one.name), stranger=_stranger(one), log=one.log)


def _stranger(one: Version) -> str:
    """Say who else listens on a version's port. A container's has its engine, which gives it to nobody else."""
    if one.pidfile.startswith(CONTAINER):
        return ""
    port = int(one.url.rpartition(":")[2])
    heard = here.listeners([port]).get(port)
    return f"'{heard.name}' (pid {heard.pid})" if heard and heard.pid and heard.pid not in here.family(Path(one.pidfile)) else ""


def _inside(scene: Scene, one: Version) -> list[Finding]:
    """Look at what a version writes and takes."""
    since = time.time() - service.SINCE
    found = [service.log(one.name, _read(logs, "logs.ratio", {"path": one.log, "level": "error", "since": since}, scene.limit), one.log)]
    if one.memory:
        taken = _read(process, "process.memory", {"pidfile": one.pidfile, "memory": one.memory}, scene.limit)
        found.append(service.memory(one.name, taken, _taken(one.pidfile)))
    return found


def _taken(pidfile: str) -> str:
    name = pidfile.removeprefix(CONTAINER)
    quoted = shlex.quote(name)
    return f"ps -o pid,rss,args -p $(cat {quoted})" if name == pidfile else f"docker stats --no-stream {quoted}"


def _read(system: Any, question: str, of: dict[str, Any], limit: float) -> Reading:
    try:
        reading: Reading = system.ask(question, of, limit)
    except Unreachable as error:
        return Unasked(str(error))
    return reading


def door(scene: Scene, name: str, url: str) -> list[Finding]:
    """Ask for a service through the front door."""
    return [stack.door(name, _get(url, scene.limit))]


def _get(url: str, limit: float) -> Answer:
    from sluice.systems import http

    begun = time.monotonic()
    try:
        with http.answer({"url": url}, limit) as response:
            return Answer(url, response.status_code, seconds=time.monotonic() - begun)
    except Unreachable as error:
        return Answer(url, 0, str(error))


def envoy(scene: Scene) -> list[Finding]:
    """Ask Envoy's admin interface whether it is up, and whether it follows the routes that it was given."""
    from sluice.systems import envoy as proxy
    from sluice.systems import splits

    split = scene.seen.split
    if split is None:
        return []
    try:
        followed, told = proxy.revision(split["admin"], split["route"]), str(splits.open(split).told().get("revision", ""))
    except Unreachable as error:
        return [stack.gone(stack.SERVICES, "envoy", str(error), "the proxy does not run, or hangs")]
    if told and followed != told:
        cause = "it has not taken over the last change of the routes"
        return [stack.gone(stack.SERVICES, "envoy", f"follows revision '{followed}', told was '{told}'", cause)]
    return [fine(stack.SERVICES, "envoy", f"admin answers, routes of revision '{followed}'")]


def keeper(scene: Scene) -> list[Finding]:
    """Look whether the keeper beside the splitter is at work, and whether it has something to watch."""
    lease = scene.watch.lease
    had = scene.held or (f"'{lease.release}' has traffic" if lease else "")
    return [stack.keeper(scene.watch.keeper, had)] if scene.seen.split else []


def supervisord(scene: Scene) -> list[Finding]:
    """Ask supervisord what runs."""
    from sluice.systems.supervisord import Supervisord

    split, names = scene.seen.split, [one.name for one, _ in scene.seen.running]
    if split is None:
        return []
    # Its socket is beside that of Envoy's admin interface.
    path = Path(split["admin"]).with_name("supervisor.sock")
    try:
        programs = Supervisord(path, timeout=scene.limit).programs()
    except SluiceError as error:
        cause = "nobody starts again what ends, until the next update"
        return [stack.gone(stack.SERVICES, "supervisord", str(error).partition(" (")[0], cause)]
    states = {name: (one.state, one.why) for name, one in programs.items()}
    return stack.programs(states, names, [name for name in names if serves(scene, name)])


def ports(scene: Scene) -> list[Finding]:
    """Look who listens on the ports that the stack has given to its programs."""
    assert scene.root
    known: dict[str, int] = files.read(scene.root / "run" / "ports.json") or {}
    heard = here.listeners(known.values())
    return machine.ports(known, heard, {name: here.family(scene.pidfile(name)) for name in known})


def strays(scene: Scene) -> list[Finding]:
    """Look for processes in the stack's folder that no program of it has started."""
    assert scene.root
    pidfiles = [*(scene.root / "run").glob("*.pid"), *(scene.pidfile(name) for name in scene.seen.servers)]
    return machine.orphans(here.strays(scene.root, pidfiles), str(scene.root), busy=scene.busy)


def secrets(scene: Scene) -> list[Finding]:
    """Look at the files that hold secrets: there, and for their owner alone."""
    assert scene.root
    passfiles = {store.passfile for store in scene.seen.stores.values() if store.passfile}
    places = [*(("password file", path) for path in sorted(passfiles))]
    places += [("secret variables", str(path)) for path in sorted((scene.root / "secrets").glob("*.env"))]
    bad = [found for kind, path in places if (found := stack.private(kind, path, here.mode(Path(path))))]
    return bad or [fine(stack.STACK, "files with secrets", f"{len(places)}, each for its owner alone")]
