"""The canary of a release: one resource that walks the whole ladder for all its services, or takes all traffic back."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.dynamic import DiffResult, Resource

from sluice.hooks.base import Hook, Props, due, unknown


class CanaryProvider(Hook):
    """Inputs: those of every hook, `split` (a runtime's descriptor with routes), `rollout` (core.rollout.Rollout).

    Outputs: `split`; `steps`, a line for each step that was proven; `held`, where it went no further than `until`: the `release`, the
    `weight`, and `since` and `until` when the keeper holds it there (ISO 8601), else {}. It says what this call has left; what is so now,
    the splitter knows.
    """

    moment = "canary"
    told = ("steps", "held")

    echoed = ("split",)

    def diff(self, _id: str, _olds: Any, _news: Any) -> DiffResult:
        """Report a change while unsettled, and when a settled stack's traffic is not where it belongs."""
        return DiffResult(changes=due(_olds, _news) or unknown(_news["split"]) or not _home(_news["split"]))

    def run(self, props: Props) -> Props:
        """Climb; or, when settled or when no service has a new version, put traffic back where it belongs."""
        from sluice.systems import deployer, splits

        if props.get("settled"):
            splits.restore(props["split"], props["release"])
        elif _still(props["rollout"]):
            splits.restore(props["split"], props["release"], anew=bool(splits.aborted(props["split"])), since=deployer.began())
        else:
            return _climb(props)
        return {"steps": [], "held": {}}

    def delete(self, _id: str, _props: Any) -> None:
        """Close the doors, before the versions behind them are stopped."""
        from sluice.systems import deployer, splits

        with deployer.call():
            splits.close(_props["split"])


def _still(rollout: Props) -> bool:
    """Say whether no service has a new version: a release of flags, or one that only takes a service away."""
    return not rollout.get("pairs") and not any(route.get("canary") for route in rollout["routes"])


def _home(split: Props) -> bool:
    from sluice.systems import splits

    return splits.settled(split)


def _climb(props: Props) -> Props:
    from sluice.core.rollout import Rollout
    from sluice.core.tape import Tape
    from sluice.hooks import journal
    from sluice.hooks.stop import Stop, WatchedClock
    from sluice.systems import deployer, splits
    from sluice.systems.climb import Climb

    split, rollout = splits.open(props["split"]), Rollout.read(props["rollout"])
    told: Props = {"notify": props.get("notify") or [], "journal": props.get("journal") or ""}
    tape = Tape(rollout, journal.writer(props))
    climb = Climb(rollout, split, WatchedClock(Stop(), split.beat), tape=tape, since=deployer.began(), **told)
    steps = climb.run()
    return {"steps": steps, "held": climb.hold.shown(props["release"]) if climb.hold else {}}


class Canary(Resource, module="sluice", name="Canary"):
    """The canary as a resource."""

    steps: pulumi.Output[list[str]]
    held: pulumi.Output[dict[str, Any]]

    def __init__(self, name: str, props: Props, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(CanaryProvider(), name, {"steps": None, "held": None, **props}, opts)
