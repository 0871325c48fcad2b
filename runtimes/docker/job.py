"""A command in a container of its own, which ends by itself, and whose exit code counts.

Neither provider does it: pulumi-docker's `attach` takes any exit code for success, and pulumi-command repeats the command and all of its
output in its error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import Resource

from sluice.runtimes.docker.place import FLAGS, SECRETS
from sluice.runtimes.process.base import Props, Provider
from sluice.runtimes.process.folder import Folder

# Ten minutes: longer than most migrations take, short enough that a hung one is seen the same hour.
DEADLINE = 600.0
GRACE = 10.0
LINES = 6


class JobProvider(Provider):
    """Inputs: name, container, root, image, network, labels, argv, folder, env, secrets, deadline, run, and where the engine sees no folder
    of this machine `far`, the volumes in their place. Outputs: exit, log."""

    def start(self, props: Props, olds: Props) -> Props:
        """Run to the end; one that a killed update has left running is ended first, since two at once are worse than none."""
        from sluice.systems import docker

        docker.remove(props["container"])
        log = Folder(Path(props["root"])).log(props["name"])
        _run(props, log)
        return {"exit": 0, "log": str(log)}

    def alive(self, props: Props) -> bool:
        """A job has nothing to keep alive."""
        return True

    def stop(self, props: Props) -> None:
        """End it if it runs; what it has done stays done."""
        from sluice.systems import docker

        docker.remove(props["container"])


def _began(props: Props, env: Mapping[str, str]) -> list[str]:
    """Return the command that runs it. An engine elsewhere has no folder of this machine: it is made first, and the folder copied in."""
    from sluice.systems import docker

    if not props.get("far"):
        return _words(props)
    docker.ask(_words(props), env=env)
    docker.ask(["cp", f"{props['folder']}/.", f"{props['container']}:/app"])
    return ["start", "--attach", props["container"]]


def _run(props: Props, log: Path) -> None:
    import os
    import subprocess

    from sluice.systems import docker

    with log.open("a") as out:
        since, null = out.tell(), subprocess.DEVNULL
        env = {**os.environ, **props["env"], **props["secrets"]}
        child = subprocess.Popen([docker.CLIENT, *_began(props, env)], stdin=null, stdout=out, stderr=out, env=env, start_new_session=True)
    try:
        code = child.wait(timeout=float(props["deadline"]))
    except subprocess.TimeoutExpired:
        docker.stop(props["container"], GRACE)
        docker.remove(props["container"])
        child.wait()
        raise _failed(props, f"was not done within {props['deadline']:.0f} s, and was ended", log, since) from None
    if props.get("far"):
        docker.remove(props["container"])
    if code:
        raise _failed(props, f"ended with exit code {code}, expected 0", log, since)


def _words(props: Props) -> list[str]:
    from sluice.core.commands import docker as say

    far, folder = props.get("far"), "" if props.get("far") else props["folder"]
    binds = far or {path: path for path in (f"{props['root']}/{name}" for name in (FLAGS, SECRETS))}
    more: dict[str, Any] = {"folder": folder, **{name: props[name] for name in ("image", "argv", "network", "labels")}}
    return say.once(props["container"], **more, binds=binds, env=sorted({*props["env"], *props["secrets"]}))


def _failed(props: Props, why: str, log: Path, since: int) -> Exception:
    from sluice.core.errors import RuntimeFailed
    from sluice.core.secret import redact
    from sluice.systems import files

    text = redact("\n".join(files.tail(log, LINES, since=since)), props["secrets"].values())
    lines = " | ".join(text.splitlines()) or "none"
    return RuntimeFailed(f"job '{props['name']}' {why}; its last log lines: {lines}; all of them: '{log}'")


class Job(Resource, module="docker", name="Job"):
    """A command that runs on create, and again when an input changes. It succeeds with exit code 0. `folder` is where it runs, on this
    machine; `far` are volumes by the folders that they stand for; `deadline` is in seconds; a failure is the engine's
    failure, with the last lines of its output."""

    exit: Output[int]
    log: Output[str]

    def __init__(
        self,
        name: str,
        *,
        container: str,
        root: Input[str],
        image: Input[str],
        network: Input[str],
        labels: Mapping[str, str],
        far: Mapping[str, Input[str]] | None = None,
        argv: Sequence[str],
        folder: str | Path,
        env: Mapping[str, Input[str]] | None = None,
        secrets: Mapping[str, Input[str]] | None = None,
        deadline: float = DEADLINE,
        run: Input[str] = "",
        opts: ResourceOptions | None = None,
    ) -> None:
        hidden: Any = Output.secret({**secrets}) if secrets else {}
        props: Props = {"name": name, "container": container, "root": root, "image": image, "network": network, "labels": dict(labels)}
        props |= {"argv": list(argv), "folder": str(Path(folder).expanduser().absolute()), "env": {**(env or {})}, "secrets": hidden}
        props |= {"far": {**far}} if far else {}
        super().__init__(JobProvider(), name, {**props, "deadline": deadline, "run": run, "exit": None, "log": None}, opts)
