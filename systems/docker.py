"""A Docker engine, asked through its client `docker`, which knows the user's context, DOCKER_HOST and ssh."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluice.core.commands import docker as say
from sluice.core.errors import RuntimeFailed, SluiceError, Unreachable

CLIENT = "docker"
# The engine is local and answers in a twentieth of a second; one that is starting, or stopping others, may take long.
TIMEOUT = 30.0
# As the client writes bytes (docker/go-units, BytesSize).
UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
# Where an engine is when nobody says where.
DEFAULT = "unix:///var/run/docker.sock"
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


def astray() -> str:
    """Return where the client's context has its engine, when whoever goes by DOCKER_HOST alone (Pulumi's provider) asks another one."""
    where = host()
    if os.environ.get("DOCKER_HOST") or where == DEFAULT:
        return ""
    identity = ["info", "--format", "{{.ID}}"]
    with suppress(SluiceError):
        return "" if ask(identity) == ask(identity, env={"DOCKER_HOST": DEFAULT}) else where
    return where


def published() -> dict[str, dict[str, str]]:
    """Return the labels of the containers of all stacks that were given a port, by how they are called."""
    words = ["ps", "--all", "--no-trunc", "--filter", f"label={say.PORT}", "--format", "{{json .}}"]
    lines = [json.loads(line) for line in ask(words).splitlines()]
    return {line["Names"]: say.labels(line["Labels"]) for line in lines}


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


def usage(name: str, timeout: float) -> tuple[float, float] | None:
    """Return what a container takes, in bytes of memory and in cores, as its engine counts it, wherever that is; None of one that does not
    run. It takes the engine about two seconds."""
    try:
        found = json.loads(ask(["stats", "--no-stream", "--format", "{{json .}}", name], timeout=timeout))
    except RuntimeFailed as error:
        if any(word in str(error) for word in GONE):
            return None
        raise
    number, unit = re.fullmatch(r"([\d.]+)(\w+)", found["MemUsage"].partition(" / ")[0]).groups()  # type: ignore[union-attr]
    state_ = state(name)
    return (float(number) * UNITS[unit], float(found["CPUPerc"].rstrip("%")) / 100) if state_ and state_.runs else None


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


def put(name: str, image: str, files: Mapping[str, str], *, mode: int) -> None:
    """Write files into a volume, which nobody has to have open. They go through the client's input: no command line has their content."""
    holder = ask(["create", "--network", "none", "--volume", f"{name}:/put", image, "true"]).strip()
    try:
        done = subprocess.run(
            [CLIENT, "cp", "-", f"{holder}:/put"], input=_packed(files, mode), capture_output=True, timeout=TIMEOUT, check=False
        )
        if done.returncode:
            raise _wrong("cp", done.stderr.decode(errors="replace").strip().splitlines() or ["it says nothing"])
    finally:
        remove(holder)


def _packed(files: Mapping[str, str], mode: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(text.encode()), mode
            archive.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


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
