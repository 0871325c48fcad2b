"""The folder of a stack on the machine that deploys: flags, passwords, artifacts, logs of jobs, the journal, backups."""

from __future__ import annotations

from pathlib import Path

import pulumi
from pulumi import Output, ResourceOptions
from pulumi.dynamic import Resource

from sluice.runtimes.process.base import Props
from sluice.runtimes.process.folder import Folder
from sluice.runtimes.process.supervisor import SupervisorProvider

# Containers see these two, under their own names. Others may look into the first: versions run as whatever user their image says.
FLAGS, SECRETS = "flags", "secrets"
PARTS = ((FLAGS, 0o755), (SECRETS, 0o700), ("artifacts", 0o755), ("log", 0o700), ("run", 0o700))


class PlaceProvider(SupervisorProvider):
    """Inputs: name, root, stack. No output of its own. A stack does not move, nor into another's, as on the process runtime."""

    # In another folder their containers and volumes would still have the same names.
    apart = "rename one of them"

    def start(self, props: Props, olds: Props) -> Props:
        """Make the folders."""
        from sluice.systems import files

        root = Path(props["root"])
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o711)
        for name, mode in PARTS:
            (root / name).mkdir(exist_ok=True)
            (root / name).chmod(mode)
        if props.get("stack"):
            files.write(Folder(root).stack, props["stack"])
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
        whose = f"{pulumi.get_project()}/{pulumi.get_stack()}"
        given = {"name": name, "root": str(root.expanduser().absolute()), "stack": whose}
        super().__init__(PlaceProvider(), name, given, opts)
