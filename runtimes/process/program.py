"""One version of one service, as a program of supervisord."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import Resource

from sluice.runtimes.process.base import Props, Provider, changed
from sluice.runtimes.process.folder import Folder
from sluice.systems import process

if TYPE_CHECKING:
    from sluice.core.commands.supervisord import Launch

# A service that needs longer to answer its first request says so; half a minute covers imports and a pool of connections.
READY = 30.0
# What a request under way may need to end once its version is stopped.
GRACE = 10.0


class ProgramProvider(Provider):
    """Inputs: `spec`, those of `Program` but the secrets as one JSON text, and `secrets`. Output: descriptor (core.version.Version)."""

    def opened(self, props: Props) -> Props:
        """Unpack `spec`. Stacks of before it was packed have its keys beside each other, and frozen versions keep them."""
        if "spec" not in props:
            return props
        return {**props, **json.loads(props["spec"])}

    def start(self, props: Props, olds: Props) -> Props:
        """Start the version and wait until it is healthy; one that runs as declared is left alone."""
        from sluice.runtimes.process import cluster, launch, ports

        folder, ready = Folder(Path(props["root"])), float(props["ready"])
        if props.get("single"):
            _fetch(folder, props)
            return {"descriptor": _descriptor(folder, props, launch.lay(folder, _launch(folder, props), listens=bool(props["health"])))}
        probe = launch.answers(props["health"]) if props["health"] else None
        # What supervisord has just started again needs nothing but the time to become ready.
        again = olds and not changed(olds, props) and self.alive(olds)
        port = ports.known(folder).get(props["name"], 0)
        if not again or launch.fault(folder, props["name"], port, probe, ready):
            _fetch(folder, props)
            port = launch.start(folder, _launch(folder, props), probe=probe, ready=ready)
        if props["front"] and port:
            cluster.register(props["front"], props["name"], port)
        return {"descriptor": _descriptor(folder, props, port)}

    def alive(self, props: Props) -> bool:
        """Say whether the version's main process runs, or, where it is somebody else's turn, whether it could be started."""
        if props.get("single"):
            return Folder(Path(props["root"])).launcher(props["name"]).exists()
        return process.owner(Folder(Path(props["root"])).pidfile(props["name"])) is not None

    def stop(self, props: Props) -> None:
        """Take the version from the proxy, stop it, and remove what was its own; the log stays."""
        from sluice.runtimes.process import cluster, launch

        folder = Folder(Path(props["root"]))
        if props["front"]:
            cluster.unregister(props["front"], props["name"])
        launch.forget(folder, props["name"], props["grace"])
        _tidy(folder)


def _fetch(folder: Folder, props: Props) -> None:
    """Copy the artifact, named by its content: what runs never changes with its source, and its source may go."""
    from sluice.systems import files

    files.copy(Path(props["artifact"]), folder.artifact(props["digest"]), expected=props["digest"])


def _launch(folder: Folder, props: Props) -> Launch:
    from sluice.core.commands.supervisord import Launch

    # The version's name is seen in pg_stat_activity, so that connections can be counted by version.
    own = {"PORT": "{port}", "VERSION": props["version"], "PGAPPNAME": props["name"]}
    return Launch(
        name=props["name"],
        argv=props["argv"],
        folder=str(folder.artifact(props["digest"])),
        env=own | props["env"],
        secrets=props["secrets"],
        grace=props["grace"],
        single=bool(props.get("single")),
    )


def _descriptor(folder: Folder, props: Props, port: int) -> Props:
    from sluice.core.version import Version

    version = Version(
        service=props["service"],
        version=props["version"],
        name=props["name"],
        url=f"http://127.0.0.1:{port}" if port else "",
        log=str(folder.log(props["name"])),
        pidfile=str(folder.pidfile(props["name"])),
        memory=int(props["memory"]) or None,
        cpu=float(props["cpu"]) or None,
        application=props["env"].get("PGAPPNAME", props["name"]),
    )
    return version.wire()


def _tidy(folder: Folder) -> None:
    """Remove the artifacts that no program uses."""
    import shutil

    from sluice.systems import files

    if not folder.lock.parent.exists():
        return
    with files.lock(folder.lock):
        used = "\n".join(_text(path) for path in (folder.root / "run").glob("*.sh"))
        for path in (folder.root / "artifacts").glob("*"):
            if str(path) not in used:
                shutil.rmtree(path, ignore_errors=True)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:  # another version is being deleted at this very moment
        return ""


class Program(Resource, module="process", name="Program"):
    """One version of one service: started beside the others, ready when its health path answers 2xx or 3xx.

    `argv` and the values of `env` may hold `{port}`; PORT, VERSION and PGAPPNAME are set. `artifact` is the folder that runs, as
    a copy; `digest` its content, found here when not given. `health` "" means a worker that does not listen. `memory` (bytes) and
    `cpu` (cores) are what checks compare with; nothing enforces them. `ready` and `grace` are seconds. `front` is the proxy's
    `split`, or {} for a version without a front door. One of a `single` service is made ready, and a `Turn` starts it. The output
    `descriptor` is a core.version.Version.
    """

    descriptor: Output[dict[str, Any]]

    def __init__(
        self,
        name: str,
        *,
        root: Input[str],
        service: str,
        version: str,
        argv: Sequence[str],
        artifact: str | Path,
        digest: str = "",
        program: str = "",
        env: Mapping[str, Input[str]] | None = None,
        secrets: Mapping[str, Input[str]] | None = None,
        front: Input[Mapping[str, Any]] | None = None,
        memory: int = 0,
        cpu: float = 0,
        health: str = "/health",
        ready: float = READY,
        grace: float = GRACE,
        single: bool = False,
        opts: ResourceOptions | None = None,
    ) -> None:
        source = Path(artifact).expanduser().absolute()
        fixed = {
            "name": program or name,
            "service": service,
            "version": version,
            "argv": list(argv),
            "artifact": str(source),
            "digest": digest or _digest(source),
            "memory": memory,
            "cpu": cpu,
            "health": health,
            "ready": ready,
            "grace": grace,
            **({"single": True} if single else {}),
        }
        hidden: Any = Output.secret(dict(secrets)) if secrets else {}
        props = {"spec": _pack(fixed, root=root, front=front or {}, env=dict(env or {})), "secrets": hidden, "descriptor": None}
        super().__init__(ProgramProvider(), name, props, opts)


def _pack(fixed: Props, **told: Input[Any]) -> Output[str]:
    """Return the spec as one text: the SDK and the engine handle each input a dozen times, and a stack has hundreds of versions."""
    return Output.all(**told).apply(lambda known: json.dumps({**fixed, **known}, sort_keys=True))


def _digest(source: Path) -> str:
    """Return the content's digest; "" for a source that is gone, which matters only to a version that never ran."""
    from sluice.systems import files

    return files.digest(source) if source.is_dir() else ""
