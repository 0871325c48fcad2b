"""The canary of a release: what it moves, and what it is watched by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from sluice.components.base import tell
from sluice.components.canary import Canary
from sluice.components.release.data import Data
from sluice.components.release.doors import Doors
from sluice.components.release.scope import Scope
from sluice.components.release.versions import Versions
from sluice.core.check import Check
from sluice.core.rollout import Pair, Rollout
from sluice.core.spec import Spec
from sluice.core.store import PORT
from sluice.core.thresholds import health, watches
from sluice.core.version import Version


def climb(on: Scope, doors: Doors, versions: Versions, data: Data, after: pulumi.Resource) -> Canary:
    """Move traffic to the new versions step by step, judged all the way; or to the step at which this update ends."""
    canary = Canary(
        f"{on.name}-canary",
        **on.step,
        split=doors.split,
        rollout=_rollout(on, versions, data),
        common=on.own,
        opts=on.below(after, *versions.all),
    )
    if on.plan.holds:
        _warn(on)
        tell(canary, canary.held.apply(lambda held: [f"{said(held)}: `sluice promote` goes on, `sluice abort` goes back"]))
    return canary


def said(held: Mapping[str, Any]) -> str:
    """Say where a release is held."""
    return f"{held['release']} is held at {int(held['weight'])} % on {pulumi.get_stack()}, unproven, until {held['until']}"


def _warn(on: Scope) -> None:
    """Say, in preview too, which checks the keeper cannot put while it holds the release: they are judged until then alone."""
    absent = [check.name for check in _checks(on, *_likely(on)) if on.runtime.kept(check) is None]
    if absent:
        what = f"while {on.plan.release} is held at {on.plan.until} %, its keeper cannot ask: {', '.join(absent)}"
        pulumi.log.warn(f"{what}; they are judged by this update alone, until it ends", on.owner)


def _likely(on: Scope) -> tuple[dict[str, Version], dict[str, dict[str, Any]]]:
    """Return versions and stores of which nothing is known yet but what they are called."""
    moved = {service: spec for service, spec in on.plan.target.items() if spec.name in on.plan.new}
    versions = {service: _unknown(on, spec) for service, spec in moved.items()}
    where = {"host": f"{on.name}.invalid", "port": PORT, "user": "unknown"}
    return versions, {name: {**where, "dbname": name} for name in on.args.databases}


def _unknown(on: Scope, spec: Spec) -> Version:
    url = f"http://{on.name}.invalid:80"
    return Version(service=spec.service, version=spec.version, name=spec.name, url=url, log="unknown", pidfile="unknown")


def _checks(on: Scope, moved: Mapping[str, Version], stores: Mapping[str, Any]) -> list[Check]:
    return [*(check for version in moved.values() for check in _watches(on, version, stores)), *_data(on, stores)]


def _rollout(on: Scope, versions: Versions, data: Data) -> pulumi.Output[dict[str, Any]]:
    if on.plan.settled:
        return pulumi.Output.from_input({})
    known = pulumi.Output.all(versions.target, versions.replaced, data.stores)
    return known.apply(lambda found: _walk(on, *found).wire())


def _walk(on: Scope, new: Mapping[str, Any], old: Mapping[str, Any], stores: Mapping[str, Any]) -> Rollout:
    """Say what the canary is to do, once the versions' addresses are known."""
    moved = {service: Version.read(one) for service, one in new.items() if one["name"] in on.plan.new}
    # Without a door nobody's answers pass the splitter.
    doors = {service: one for service, one in moved.items() if on.plan.target[service].prefix}
    checks = _checks(on, moved, stores)
    kept = [there for check in checks if (there := on.runtime.kept(check))] if on.plan.holds else checks
    return Rollout(
        release=on.plan.release,
        ladder=on.plan.ladder,
        routes=on.plan.routes,
        pairs=[Pair(canary=one, live=Version.read(old[service]) if service in old else None) for service, one in doors.items()],
        checks=checks,
        kept=None if kept == checks else kept,
        poll=on.rollout.poll,
        deadline=on.rollout.deadline,
        until=on.plan.until,
        hold=on.rollout.hold,
        heartbeat=on.rollout.heartbeat,
    )


def _watches(on: Scope, version: Version, stores: Mapping[str, Any]) -> list[Check]:
    """Return a new version's checks; without a ladder (nothing to compare with, or proven before) its health alone."""
    spec = on.plan.target[version.service]
    well = [health(version, spec.health)] if spec.health else []
    if _alone(on):
        return well
    store = stores.get(spec.database) if spec.database else None
    more = on.args.watch(version) if on.args.watch else []
    return [*well, *watches(on.rollout.thresholds, spec, version, store), *more]


def _data(on: Scope, stores: Mapping[str, Any]) -> list[Check]:
    """Return the team's checks of what the new version leaves in databases."""
    return on.args.data(stores) if on.args.data and not _alone(on) else []


def _alone(on: Scope) -> bool:
    return on.plan.first or on.plan.returning
