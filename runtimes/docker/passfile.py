"""The password of a database server in a container."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import Resource

from sluice.runtimes.process.base import Props, Provider
from sluice.runtimes.process.folder import Folder

LOOPBACK, USER = "127.0.0.1", "sluice"


class PassfileProvider(Provider):
    """Inputs: name, root, volume, keep, host, port, user, and `far`: a `volume` for its files with an `image`. Outputs: passfile, tools."""

    def start(self, props: Props, olds: Props) -> Props:
        """Make the password before the cluster, so that there is never one that nobody can enter."""
        import secrets

        from sluice.core.errors import RuntimeFailed
        from sluice.runtimes.process.server import tools
        from sluice.systems import docker, files

        passfile, word = _passfile(props), _word(props)
        if not passfile.exists():
            if docker.volume(props["volume"]):
                why = f"volume '{props['volume']}' is there, and its password is not: bring '{passfile}' back, or remove the volume"
                raise RuntimeFailed(why)
            files.write(passfile, f"*:*:*:{USER}:{secrets.token_hex(24)}\n", mode=0o600)
        files.write(word, passfile.read_text().strip().rpartition(":")[2], mode=0o600)
        if far := props.get("far"):
            docker.put(far["volume"], far["image"], {file.name: file.read_text() for file in (passfile, word)}, mode=0o600)
        return {"passfile": str(passfile), "tools": tools()}

    def alive(self, props: Props) -> bool:
        """Say whether both files are there."""
        return _passfile(props).exists() and _word(props).exists()

    def stop(self, props: Props) -> None:
        """Remove the password with the data; it stays with them."""
        if not props["keep"]:
            _passfile(props).unlink(missing_ok=True)
            _word(props).unlink(missing_ok=True)


def _passfile(props: Props) -> Path:
    return Folder(Path(props["root"])).passfile(props["name"])


def _word(props: Props) -> Path:
    return _passfile(props).with_suffix(".password")


class Passfile(Resource, module="docker", name="Passfile"):
    """The password of a database server, in a file for libpq and in one for the server; and where the clients are on this machine."""

    passfile: Output[str]
    tools: Output[str]

    def __init__(
        self,
        name: str,
        *,
        root: Input[str],
        server: str,
        port: int,
        volume: str,
        keep: bool,
        host: str = LOOPBACK,
        far: Mapping[str, Input[str]] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        # Where the server will be is here for who reads it from state (history.stack).
        where = {"host": host, "port": port, "user": USER, **({"far": {**far}} if far else {})}
        props = {"name": server, "root": root, "volume": volume, "keep": keep, **where, "passfile": None, "tools": None}
        super().__init__(PassfileProvider(), name, props, opts)
