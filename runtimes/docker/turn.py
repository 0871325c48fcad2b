"""Which container of a single service runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import Resource

from sluice.core.commands import docker as say
from sluice.runtimes.process.base import Props
from sluice.runtimes.process.swap import Swap


class TurnProvider(Swap):
    """Inputs: those of a `Healthy`, with `service` and `stack` in its `spec`. Output: descriptor."""

    def there(self, props: Props) -> None:
        """See the base: a container that was removed is Pulumi's to make."""
        from sluice.runtimes.docker.healthy import known

        known(props["container"])

    def others(self, props: Props) -> Iterator[str]:
        """See the base: by their labels, so that one which a failed update has left is found too."""
        from sluice.systems import docker

        for name, labels in docker.listed(props["stack"]).items():
            if labels.get(say.SINGLE) == props["service"] and name != props["name"] and self._runs(props, name):
                yield name

    def rest(self, props: Props, name: str) -> None:
        """See the base."""
        from sluice.systems import docker

        docker.stop(say.contained(props["stack"], name), float(props["grace"]))

    def wake(self, props: Props) -> None:
        """See the base."""
        from sluice.runtimes.docker.healthy import HealthyProvider

        HealthyProvider().start(props, {})

    def alive(self, props: Props) -> bool:
        """Say whether the one that shall run does."""
        return self._runs(props, props["name"])

    def _runs(self, props: Props, name: str) -> bool:
        from sluice.systems import docker

        state = docker.state(say.contained(props["stack"], name))
        return state is not None and state.runs


class Turn(Resource, module="docker", name="Turn"):
    """The version of a single service that runs; `spec` has what a `Healthy` is told of its container, `identity` the container's id."""

    descriptor: Output[dict[str, Any]]

    def __init__(
        self, name: str, *, spec: Mapping[str, Any], identity: Input[str], secrets: Input[Mapping[str, str]], opts: ResourceOptions | None
    ) -> None:
        props = {"spec": json.dumps({**spec}, sort_keys=True), "identity": identity, "secrets": secrets, "descriptor": None}
        super().__init__(TurnProvider(), name, props, opts)
