"""A Docker engine, asked through its client `docker`, which knows the user's context, DOCKER_HOST and ssh."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluice.core.commands import docker as say
from sluice.core.errors import RuntimeFailed, Unreachable

CLIENT = "docker"
# The engine is local and answers in a twentieth of a second; one that is starting, or stopping others, may take long.
TIMEOUT = 30.0
GONE = ("No such container", "No such object", "No such volume", "No such network")


@dataclass(frozen=True)
class State:
    """How a container is: the engine's `status` (running, restarting, exited...), its exit code, how often it was started again, its main
    process on the engine's machine, and its limit of memory in bytes, 0 for none."""

    id: str
    status: str
    exit: int
    restarts: int
    pid: int
    memory: int = 0

    @property
    def runs(self) -> bool:
        """Say whether its main process runs."""
        return self.status == "running"


@dataclass(frozen=True)
class End:
    """How a run of a container has ended: its exit code, and whether something in it was killed for want of memory."""

    exit: int
    starved: bool


def ask(argv: Sequence[str], *, timeout: float = TIMEOUT, text: str = "", env: Mapping[str, str] | None = None) -> str:
    """Run the client, with `text` as its input, and return what it prints.

    Unreachable when there is no client or no engine; RuntimeFailed with the engine's own words when it refuses.
    """
    done = _run(argv, timeout, text, env)
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["it says nothing"]
        raise _wrong(argv[0], words)
    return done.stdout


def _run(argv: Sequence[str], timeout: float, text: str, env: Mapping[str, str] | None) -> subprocess.CompletedProcess[str]:
    own = {**os.environ, **env} if env else None
    try:
        return subprocess.run([CLIENT, *argv], input=text, capture_output=True, text=True, timeout=timeout, env=own, check=False)
    except FileNotFoundError:
        raise Unreachable("there is no 'docker' on PATH: install Docker's client") from None
    except subprocess.TimeoutExpired:
        raise Unreachable(f"docker did not do '{argv[0]}' within {timeout:.0f} s: run `docker info`") from None


def _wrong(verb: str, words: list[str]) -> Exception:
    if any("Cannot connect to the Docker daemon" in word or "error during connect" in word for word in words):
        return Unreachable(f"the Docker engine does not answer: {words[0]}")
    return RuntimeFailed(f"docker {verb}: {' | '.join(words)}")


def host() -> str:
    """Return where the engine is, as the client's current context has it: `unix://...`, `tcp://...`, `ssh://...`."""
    return ask(["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]).strip()


def listed(stack: str) -> dict[str, dict[str, str]]:
    """Return the labels of a stack's containers, by what they are to Sluice (`sluice.name`)."""
    lines = [json.loads(line) for line in ask(say.listing(stack)).splitlines()]
    found = [say.labels(line["Labels"]) for line in lines]
    return {one[say.NAME]: one for one in found if say.NAME in one}


def state(name: str) -> State | None:
    """Return how a container is, None where there is none."""
    try:
        found: dict[str, Any] = json.loads(ask(["inspect", "--type", "container", name]))[0]
    except RuntimeFailed as error:
        if any(word in str(error) for word in GONE):
            return None
        raise
    state, limit = found["State"], int(found["HostConfig"]["Memory"])
    return State(found["Id"], state["Status"], int(state["ExitCode"]), int(found["RestartCount"]), int(state["Pid"]), limit)


def ended(id: str) -> End | None:
    """Return how the last run of a container that has ended did so, whatever it does now; None when the engine remembers none: it keeps
    its last 256 events. What `state` says is of the run that is under way, and forgotten when the engine starts the next one."""
    lines = ask(say.ends(id, time.time())).splitlines()
    codes = [index for index, line in enumerate(lines) if line.startswith(say.DIE)]
    if not codes:
        return None
    run = lines[codes[-2] + 1 if len(codes) > 1 else 0 :]
    return End(int(lines[codes[-1]].split()[1]), any(line.startswith(say.OOM) for line in run))


def main(name: str) -> int | None:
    """Return the pid of a container's main process, None when it does not run, or when the engine's processes are not this machine's."""
    found = state(name)
    try:
        groups = Path(f"/proc/{found.pid}/cgroup").read_text() if found and found.runs else ""
    except OSError:
        return None
    return found.pid if found and found.id in groups else None


@contextmanager
def log(name: str, since: float | None, timeout: float) -> Iterator[Path]:
    """Write both outputs of a container to a file, those after a time in epoch seconds alone if one is given. Unreachable without it."""
    words = ["logs", *(["--since", f"{since:.3f}"] if since is not None else []), name]
    with tempfile.NamedTemporaryFile("w+") as out:
        try:
            done = subprocess.run([CLIENT, *words], stdout=out, stderr=out, timeout=timeout, check=False)
        except (FileNotFoundError, subprocess.TimeoutExpired) as error:
            raise Unreachable(f"the log of container '{name}' cannot be read ({type(error).__name__})") from None
        if done.returncode:
            raise Unreachable(f"the log of container '{name}' cannot be read: {Path(out.name).read_text().strip()}")
        yield Path(out.name)


def volume(name: str) -> bool:
    """Say whether there is a volume of that name."""
    return name in ask(["volume", "ls", "--quiet", "--filter", f"name={name}"]).split()


def start(name: str) -> None:
    """Start a container that is stopped."""
    ask(["start", name])


def stop(name: str, grace: float) -> None:
    """Stop a container: SIGTERM, and SIGKILL after `grace` seconds; fine when it does not run, or is gone."""
    _forgiven(["stop", "--time", str(max(1, round(grace))), name], timeout=TIMEOUT + grace)


def remove(name: str) -> None:
    """End and remove a container; fine when it is gone."""
    _forgiven(["rm", "--force", name], timeout=TIMEOUT)


def clear(kind: str, name: str, stack: str) -> None:
    """Remove a container or a network of a stack by its name; fine where there is none, or one of somebody else."""
    for id in ask(say.named(kind, name, stack)).split():
        _forgiven([kind, "rm", *(["--force"] if kind == "container" else []), id], timeout=TIMEOUT)


def _forgiven(argv: list[str], timeout: float) -> None:
    try:
        ask(argv, timeout=timeout)
    except RuntimeFailed as error:
        if not any(word in str(error) for word in GONE):
            raise


def said(name: str, lines: int) -> str:
    """Return the last lines of a container, of both its outputs."""
    done = _run(["logs", "--tail", str(lines), name], TIMEOUT, "", None)
    return done.stdout + done.stderr if not done.returncode else ""
