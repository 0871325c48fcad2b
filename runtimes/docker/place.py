"""The folder of a stack on the machine that deploys: flags, passwords, artifacts, logs of jobs, the journal, backups."""

from __future__ import annotations

from pathlib import Path

from pulumi import Output, ResourceOptions
from pulumi.dynamic import Resource

from sluice.runtimes.process.base import Props
from sluice.runtimes.process.folder import Folder
from sluice.runtimes.process.supervisor import SupervisorProvider

# Containers see these two, under their own names. Others may look into the first: versions run as whatever user their image says.
FLAGS, SECRETS = "flags", "secrets"
PARTS = ((FLAGS, 0o755), (SECRETS, 0o700), ("artifacts", 0o755), ("log", 0o700), ("run", 0o700))


class PlaceProvider(SupervisorProvider):
    """Inputs: name, root. No output of its own. A stack does not move, as on the process runtime."""

    def start(self, props: Props, olds: Props) -> Props:
        """Make the folders."""
        root = Path(props["root"])
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o711)
        for name, mode in PARTS:
            (root / name).mkdir(exist_ok=True)
            (root / name).chmod(mode)
        return {}

    def alive(self, props: Props) -> bool:
        """Say whether they are there."""
        return all((Path(props["root"]) / name).is_dir() for name, _ in PARTS)

    def stop(self, props: Props) -> None:
        """Remove all but passwords, whose volumes stay, backups and the journal."""
        from sluice.runtimes.process.supervisor import clear

        root = Path(props["root"])
        clear(root, {SECRETS} if any(root.glob(f"{SECRETS}/*")) else set())


class Place(Resource, module="docker", name="Place"):
    """A stack's folder. What else needs it takes `root` from here, and so waits for it."""

    root: Output[str]

    def __init__(self, name: str, *, root: Path, opts: ResourceOptions | None = None) -> None:
        super().__init__(PlaceProvider(), name, {"name": name, "root": str(Folder(root.expanduser().absolute()).root)}, opts)
