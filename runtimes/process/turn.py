"""Which process of a single service runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import Resource

from sluice.runtimes.process.base import Props
from sluice.runtimes.process.folder import Folder
from sluice.runtimes.process.swap import Swap
from sluice.systems import process


class TurnProvider(Swap):
    """Inputs: `spec` (root, name, service, health, ready, grace, known) as one JSON text, and `secrets`. Output: descriptor."""

    def others(self, props: Props) -> Iterator[str]:
        """See the base: supervisord's own files say who would be started, one that a failed update has left among them."""
        from sluice.core.commands.supervisord import SINGLE

        folder = _folder(props)
        for path in sorted(folder.conf("any").parent.glob(f"{props['service']}@*.ini")):
            launcher = folder.launcher(path.stem)
            if path.stem != props["name"] and launcher.exists() and launcher.read_text().startswith(SINGLE):
                yield path.stem

    def rest(self, props: Props, name: str) -> None:
        """See the base."""
        from sluice.runtimes.process import launch

        launch.rest(_folder(props), name, float(props["grace"]))

    def wake(self, props: Props) -> None:
        """See the base."""
        from sluice.runtimes.process import launch

        port = urlsplit(props["known"]["url"]).port or 0
        probe = launch.answers(props["health"]) if props["health"] else None
        launch.wake(_folder(props), props["name"], port, probe=probe, **{one: props[one] for one in ("ready", "grace", "secrets")})

    def alive(self, props: Props) -> bool:
        """Say whether the one that shall run does."""
        return process.owner(_folder(props).pidfile(props["name"])) is not None


def _folder(props: Props) -> Folder:
    return Folder(Path(props["root"]))


class Turn(Resource, module="process", name="Turn"):
    """The version of a single service that runs; `known` is what its `Program` says of it. `ready` and `grace` are seconds."""

    descriptor: Output[dict[str, Any]]

    def __init__(
        self,
        name: str,
        *,
        root: Input[str],
        known: Input[Mapping[str, Any]],
        spec: Mapping[str, Any],
        secrets: Input[Mapping[str, str]],
        opts: ResourceOptions | None,
    ) -> None:
        told = Output.all(root=root, known=known).apply(lambda found: json.dumps({**spec, **found}, sort_keys=True))
        super().__init__(TurnProvider(), name, {"spec": told, "secrets": secrets, "descriptor": None}, opts)
