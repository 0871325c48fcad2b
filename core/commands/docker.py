"""Command lines of the `docker` client (Docker CLI reference), and the names that an engine takes. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256

# A label of DNS holds 63 characters (RFC 1035), and containers find each other by name.
LONGEST = 63
# What tells a stack's containers from others, whose each is, and on which port of the loopback it is published.
STACK, NAME, PORT = "sluice.stack", "sluice.name", "sluice.port"
# The service of which one version runs at a time.
SINGLE = "sluice.single"
# Every service listens on this port of its own: a container is alone with its ports.
INNER = 8080
# In the place of a path, before the name of a container of the engine here: its log, its main process.
CONTAINER = "docker:"
# Events: a run of a container is over; something in it was killed for want of memory.
DIE, OOM = "die", "oom"


def contained(stack: str, name: str) -> str:
    """Return the name of a container, volume or network: what the engine does not take is a dash, and what is too long ends in a hash."""
    full = f"{stack}-{name}"
    legal = re.sub(r"[^A-Za-z0-9_.-]+", "-", full)
    if legal == full.replace("@", "-") and len(legal) <= LONGEST:
        return legal
    return f"{legal[: LONGEST - 9]}-{sha256(full.encode()).hexdigest()[:8]}"


def latest(log: str, lines: int) -> list[str]:
    """Build the command that shows the last lines of a log: of a file, or of a container."""
    name = log.removeprefix(CONTAINER)
    return ["tail", "-n", str(lines), log] if name == log else ["docker", "logs", "--tail", str(lines), name]


def listing(stack: str) -> list[str]:
    """Build the question which containers a stack has, stopped ones too; a JSON line each."""
    return ["ps", "--all", "--no-trunc", *of(stack), "--format", "{{json .}}"]


def named(kind: str, name: str, stack: str) -> list[str]:
    """Build the question for the id of a stack's own container or network of that very name, stopped or not."""
    return [
        kind,
        "ls",
        *(["--all"] if kind == "container" else []),
        "--no-trunc",
        "--quiet",
        *of(stack),
        "--filter",
        f"name=^{re.escape(name)}$",
    ]


def of(stack: str) -> list[str]:
    """Build the filter that leaves a stack's own of what is listed."""
    return ["--filter", f"label={STACK}={stack}"]


def labels(text: str) -> dict[str, str]:
    """Read the labels of such a line."""
    return dict(pair.split("=", 1) for pair in text.split(",") if "=" in pair)


def ends(id: str, until: float) -> list[str]:
    """Build the question how a container's runs have ended until a time in epoch seconds; a line each, oldest first, with its exit code."""
    words = ["events", "--since", "0", "--until", f"{until:.3f}", "--filter", f"container={id}", "--filter", f"event={DIE}"]
    return [*words, "--filter", f"event={OOM}", "--format", "{{.Action}} {{.Actor.Attributes.exitCode}}"]


def once(
    name: str,
    *,
    image: str,
    argv: Sequence[str],
    folder: str,
    network: str,
    labels: Mapping[str, str],
    binds: Mapping[str, str],
    env: Sequence[str],
) -> list[str]:
    """Build the run of a container that ends by itself, in a folder of the engine's machine; without one it is only made, to be filled
    and started.

    `binds` are the folders or volumes of that machine, by where they are in the container. `env` are names alone: their values are in the
    client's own environment, where no list of processes shows them.
    """
    begin = ["run", "--rm", "--volume", f"{folder}:/app:ro"] if folder else ["create"]
    words = [*begin, "--init", "--name", name, "--network", network, "--workdir", "/app"]
    for key, value in labels.items():
        words += ["--label", f"{key}={value}"]
    for path, bind in binds.items():
        words += ["--volume", f"{bind}:{path}:ro"]
    for variable in env:
        words += ["--env", variable]
    return [*words, "--entrypoint", argv[0], image, *argv[1:]]
