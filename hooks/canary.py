"""The canary of a release: one resource that walks the whole ladder for all its services, or takes all traffic back."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.dynamic import DiffResult, Resource

from sluice.hooks.base import Hook, Props, due


class CanaryProvider(Hook):
    """Inputs: those of every hook, `split` (a runtime's descriptor with routes), `rollout` (core.rollout.Rollout).

    Outputs: the inputs and `steps`, a line for each step that was proven. The weight is not among them: the splitter is the truth.
    """

    def diff(self, _id: str, _olds: Any, _news: Any) -> DiffResult:
        """Report a change while unsettled, and when a settled stack's traffic is not where it belongs."""
        return DiffResult(changes=due(_olds, _news) or not _home(_news["split"]))

    def run(self, props: Props) -> Props:
        """Climb; or, when settled, put traffic back where it belongs."""
        from sluice.systems import splits

        if props.get("settled"):
            splits.restore(props["split"], props["release"])
            return {"steps": []}
        return {"steps": _climb(props)}

    def delete(self, _id: str, _props: Any) -> None:
        """Close the doors, before the versions behind them are stopped."""
        from sluice.systems import splits

        splits.close(_props["split"])


def _home(split: Props) -> bool:
    from sluice.systems import splits

    return splits.settled(split)


def _climb(props: Props) -> list[str]:
    from sluice.core.rollout import Rollout
    from sluice.hooks.climb import Climb
    from sluice.hooks.stop import Stop, WatchedClock
    from sluice.systems import splits

    rollout = Rollout.read(props["rollout"])
    return Climb(rollout, splits.open(props["split"]), WatchedClock(Stop())).run()


class Canary(Resource, module="sluice", name="Canary"):
    """The canary as a resource."""

    steps: pulumi.Output[list[str]]

    def __init__(self, name: str, props: Props, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(CanaryProvider(), name, {"steps": None, **props}, opts)
