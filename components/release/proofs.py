"""What proves a version from outside, before it has traffic and after: its health, and the journeys of its users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pulumi

from sluice.components.gate import Gate
from sluice.components.release.data import Data
from sluice.components.release.doors import Doors
from sluice.components.release.scope import Scope
from sluice.components.release.versions import Versions
from sluice.components.smoke import SmokeTest
from sluice.core.check import Check
from sluice.core.moment import Moment
from sluice.core.thresholds import health
from sluice.core.version import Version


def well(on: Scope, versions: Versions) -> Gate:
    """Ask every version of this release on its own address how it is."""
    return Gate(
        f"{on.name}-health",
        **on.step,
        moment=Moment.HEALTH,
        checks=versions.target.apply(lambda found: _health(on, found)),
        deadline=on.rollout.deadlines.health,
        common=on.own,
        opts=on.below(*versions.new),
    )


def again(on: Scope, versions: Versions, data: Data) -> pulumi.Output[list[dict[str, Any]]]:
    """Return what they are asked once more where a database may be another one now, or has ended their sessions: also those of a settled
    release."""
    if not on.instructions and not data.server:
        return pulumi.Output.from_input([])
    asked = pulumi.Output.from_input(True) if on.instructions else data.left
    return asked.apply(lambda yes: versions.running(on.plan.target).apply(lambda found: _health(on, found)) if yes else [])


def _health(on: Scope, found: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [check.wire() for check in healthy(on, found)]


def healthy(on: Scope, found: Mapping[str, Any]) -> Iterator[Check]:
    """Yield what is asked of the versions that were found, by service."""
    for version in map(Version.read, found.values()):
        path = on.plan.target[version.service].health
        yield from [health(version, path)] if path else []
        yield from on.args.well(version) if on.args.well else []


def smoke(on: Scope, versions: Versions, data: Data, after: pulumi.Resource) -> SmokeTest:
    """Walk the journeys through every version of this release, on its own address."""
    return _walk(on, "smoke", versions.urls, data, after, on.own)


def front(on: Scope, doors: Doors, data: Data, after: pulumi.Resource) -> SmokeTest:
    """Walk them through the front door, as users do; what fails there takes traffic back."""
    targets = pulumi.Output.from_input({}) if on.plan.settled else doors.urls
    return _walk(on, "front", targets, data, after, {**on.own, **doors.later})


def _walk(on: Scope, role: str, targets: pulumi.Output[Any], data: Data, after: pulumi.Resource, common: Mapping[str, Any]) -> SmokeTest:
    return SmokeTest(
        f"{on.name}-{role}",
        **on.step,
        journeys=[] if on.plan.settled or on.untested else on.args.journeys,
        skip=on.untested,
        targets=targets,
        databases=data.stores,
        deadline=on.rollout.deadlines.smoke,
        common=common,
        opts=on.below(after),
    )
