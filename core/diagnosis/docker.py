"""A stack's containers: what its engine says of each, what of it is missing or left over, and the ports that two were given."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sluice.core.commands.docker import CONTAINER, latest
from sluice.core.diagnosis.finding import Finding, State, fine, size
from sluice.core.settings.duration import text as span

AREA = "services"
UP = "pulumi up"
AGAIN = "pulumi refresh --yes && pulumi up"


@dataclass(frozen=True, kw_only=True)
class Container:
    """A container as its engine has it. `name` is what it is to Sluice, `called` its name there; `status` running, restarting, exited,
    paused, created or dead, `since` (seconds since the epoch) it is so, with its `exit` code; `restarts` is how often the engine has
    started it again, `oom` whether the kernel has ended its last run for want of memory; `health` is what its image's own check says (""
    without one), `limit` its memory in bytes (0: no limit), `port` the one of the loopback that it was given (0: none); `single` the
    service of which one version at a time runs."""

    name: str
    called: str
    status: str
    since: float
    exit: int = 0
    restarts: int = 0
    oom: bool = False
    health: str = ""
    limit: int = 0
    port: int = 0
    single: str = ""


def container(one: Container, *, declared: bool, serves: bool, busy: bool, now: float, rests: bool = False) -> Finding:
    """Judge a container; `declared`: state has it; `serves`: it has traffic, or the stack stands on it; `busy`: an update is at work;
    `rests`: of its service another version has its turn."""
    age = span(max(0, round(now - one.since)))
    if not declared and not busy:
        cause = "the update that made it was killed before state had it"
        return _bad(one, f"left over, {one.status}", cause, ["docker", "rm", "--force", one.called], State.WARNING, expected="not there")
    if rests and one.status in ("created", "exited"):
        return fine(AREA, _what(one), f"at rest: another version of '{one.single}' has its turn")
    worst = State.PROBLEM if serves else State.WARNING
    seen, cause, next = _trouble(one, age)
    if not seen:
        return fine(AREA, _what(one), f"runs for {age}" + (f", {one.health}" if one.health else ""))
    return _bad(one, seen, cause, next, State.WARNING if one.status == "running" and one.health != "unhealthy" else worst)


def _trouble(one: Container, age: str) -> tuple[str, str, list[str]]:
    """Return what was seen of it, why, and what to type; nothing of one that is well."""
    log = latest(f"{CONTAINER}{one.called}", 50)
    greedy = f"it took more than {f'its limit of {size(one.limit)}' if one.limit else 'all memory that the machine had'}"
    if one.oom and one.status != "running":
        return f"{one.status}, ended by the kernel {age} ago", greedy, log
    if one.status == "restarting":
        return f"restarting, exit code {one.exit}", f"it ends at start: the engine has started it {_times(one.restarts)} again", log
    if one.status == "paused":
        return "paused", "somebody has run `docker pause`", ["docker", "unpause", one.called]
    if one.status != "running":
        why = "it was stopped by hand: what ends by itself is started again" if one.exit in (0, 137, 143) else "its program has failed"
        return f"{one.status} {age} ago, exit code {one.exit}", why, [UP] if one.exit in (0, 137, 143) else log
    if one.health == "unhealthy":
        return "unhealthy", "its image's own check says so", ["docker", "inspect", "--format", "{{json .State.Health}}", one.called]
    if one.restarts:
        why = greedy if one.oom else "its program has ended by itself, or was ended"
        return f"started again {_times(one.restarts)}, runs for {age}", why, log
    return "", "", []


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _bad(one: Container, seen: str, cause: str, next: Sequence[str], state: State, expected: str = "running, started once") -> Finding:
    typed = UP if list(next) == [UP] else shlex.join(next)
    return Finding(area=AREA, what=_what(one), state=state, seen=seen, expected=expected, cause=cause, next=typed)


def _what(one: Container) -> str:
    return f"container of {one.name}"


def absent(kind: str, names: Sequence[str], there: Collection[str], *, kept: bool = False) -> list[Finding]:
    """Judge what state has and the engine has not: containers, or volumes, with which data went when they are `kept` ones."""
    cause = "somebody has removed it, with all that was in it" if kept else "somebody has removed it"
    told = {"seen": "not there", "expected": "as state has it", "cause": cause, "next": AGAIN}
    return [Finding(area=AREA, what=f"{kind} '{name}'", state=State.PROBLEM, **told) for name in names if name not in there]


def twice(given: Mapping[str, int]) -> list[Finding]:
    """Judge the ports of the loopback that containers of all stacks were given, by how they are called: one that two have, one of them
    cannot be started with."""
    users: dict[int, list[str]] = {}
    for called, port in given.items():
        users.setdefault(port, []).append(called)
    return [_twice(port, sorted(some)) for port, some in sorted(users.items()) if len(some) > 1]


def _twice(port: int, users: Sequence[str]) -> Finding:
    cause = "two updates have chosen it at the same moment: whoever starts second does not start"
    told = {"seen": f"given to {' and '.join(users)}", "expected": "one container", "cause": cause}
    return Finding(
        area="machine", what=f"port {port}", state=State.PROBLEM, **told, next=shlex.join(["docker", "rm", "--force", users[-1]])
    )


def images(there: Mapping[str, int], needed: Collection[str]) -> list[Finding]:
    """Judge the images that were built for a stack, by name their bytes; `needed` are the digests (twelve digits) of proven releases and
    of what config names."""
    left = sorted(name for name in there if name.rpartition(":")[2] not in needed)
    if not left:
        return [fine(AREA, "images", f"{len(there)} built here, each of a release that may be gone back to")] if there else []
    # Layers that several have count for each: more is never freed.
    room = sum(there[name] for name in left)
    told = {"seen": f"{len(left)} of {len(there)} are of no proven release, at most {size(room)}", "expected": "none"}
    cause = "images stay when their release has failed or is forgotten, since going back must need no registry"
    return [Finding(area=AREA, what="images", state=State.WARNING, **told, cause=cause, next=shlex.join(["docker", "image", "rm", *left]))]
