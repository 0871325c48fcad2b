"""What a Docker engine has of a stack, for `core.diagnosis`: its containers, volumes, images and ports."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from sluice.core.commands import docker as say
from sluice.core.diagnosis.docker import Container
from sluice.core.diagnosis.machine import Disk
from sluice.systems import docker
from sluice.systems.docker import ask


def look(stack: str) -> list[Container]:
    """Return a stack's containers, stopped ones too, as `core.diagnosis` judges them."""
    names = ask(["ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={say.STACK}={stack}"]).split()
    return [_container(one) for one in (json.loads(ask(["inspect", "--type", "container", *names])) if names else [])]


def _container(found: dict[str, Any]) -> Container:
    state, labels = found["State"], found["Config"]["Labels"]
    # What its state says of memory is forgotten when the engine starts it again.
    last = docker.ended(found["Id"]) if found["RestartCount"] or not state["Running"] else None
    return Container(
        name=labels.get(say.NAME, ""),
        called=found["Name"].lstrip("/"),
        status=state["Status"],
        since=_epoch(state["StartedAt"] if state["Running"] else state["FinishedAt"]),
        exit=int(state["ExitCode"]),
        restarts=int(found["RestartCount"]),
        oom=bool(state["OOMKilled"] or (last and last.starved)),
        health=(state.get("Health") or {}).get("Status", ""),
        limit=int(found["HostConfig"]["Memory"]),
        port=int(labels.get(say.PORT, 0)),
        single=labels.get(say.SINGLE, ""),
    )


def _epoch(text: str) -> float:
    """Read the engine's time, which has nanoseconds; one that has never been is the year 1."""
    return max(
        0.0, datetime.fromisoformat(re.sub(r"\.(\d{1,6})\d*", lambda found: f".{found[1]:<06}", text).replace("Z", "+00:00")).timestamp()
    )


def given() -> dict[str, int]:
    """Return the ports of the loopback that containers of all stacks were given, by how these are called."""
    lines = [
        json.loads(line)
        for line in ask(["ps", "--all", "--no-trunc", "--filter", f"label={say.PORT}", "--format", "{{json .}}"]).splitlines()
    ]
    return {line["Names"]: int(say.labels(line["Labels"])[say.PORT]) for line in lines}


def volumes(stack: str) -> list[str]:
    """Return the volumes whose names begin as a stack's do."""
    return ask(["volume", "ls", "--quiet", "--filter", f"name={stack}-"]).split()


def built(prefix: str) -> dict[str, int]:
    """Return the images whose names begin so, by name and tag their bytes."""
    ids = ask(["image", "ls", "--quiet", "--filter", f"reference={prefix}*"]).split()
    found = json.loads(ask(["image", "inspect", *dict.fromkeys(ids)])) if ids else []
    return {tag: int(one["Size"]) for one in found for tag in one["RepoTags"] or [] if tag.startswith(prefix)}


def room(name: str, folder: str, *, needed: int) -> Disk:
    """Return the disk on which the engine keeps what it has, as a container sees it that has a volume at `folder`."""
    look = f"import os; one = os.statvfs('{folder}'); print(one.f_bavail * one.f_frsize, one.f_blocks * one.f_frsize, one.f_favail)"
    free, size, nodes = (int(word) for word in ask(["exec", name, "python", "-c", look]).split())
    path = ask(["info", "--format", "{{.DockerRootDir}}"]).strip()
    return Disk(path=path, purposes=["all that Docker keeps"], free=free, size=size, needed=needed, nodes=nodes or None)
