"""The versions of a release: the new, the live and the warm ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from sluice.components.release.data import Data
from sluice.components.release.doors import Doors
from sluice.components.release.scope import Scope
from sluice.components.service import Deployed, deploy
from sluice.core.spec import Spec


class Versions:
    """Declares the released, the live and the warm versions, the new ones after `after`; what serves, or has served, is frozen."""

    def __init__(self, on: Scope, doors: Doors, data: Data, after: pulumi.Resource) -> None:
        self.on, self.doors, self.data, self.after = on, doors, data, after
        self.secrets = {args.name: args.secrets for args in on.args.services}
        self.deployed: dict[str, Deployed] = {}
        for spec in on.plan.declared.values():
            self._deploy(spec)

    def _deploy(self, spec: Spec) -> Deployed:
        """Declare a version, once, after those that it needs."""
        if spec.name not in self.deployed:
            called = [one for name in spec.needs if (one := self._called(name, spec))]
            self.deployed[spec.name] = deploy(
                self.on.owner,
                spec,
                runtime=self.on.runtime,
                front=self.doors.front,
                database=self.data.server,
                secrets=self.secrets.get(spec.service),
                needs={one.service: self._deploy(one) for one in called},
                frozen=spec.name not in self.on.plan.new,
                turn=spec.single and spec.name == self._turn(spec.service),
                after=[self.after] if spec.name in self.on.plan.new else [],
            )
        return self.deployed[spec.name]

    def _called(self, name: str, by: Spec) -> Spec | None:
        """Return the version that another one needs; of a single service, which it names alone, the one of its own release."""
        plan = self.on.plan
        own, other = (plan.target, plan.live) if by.name in plan.new else (plan.live, plan.target)
        return plan.declared.get(name) or own.get(name) or other.get(name)

    def _turn(self, service: str) -> str:
        """Return the version of a single service whose turn it is: this release's, or the live one of a service that it no longer has."""
        found = self.on.plan.target.get(service) or self.on.plan.live.get(service)
        return found.name if found else ""

    @property
    def all(self) -> list[pulumi.Resource]:
        """Return what is there once every version is."""
        return [version.last for version in self.deployed.values()]

    @property
    def new(self) -> list[pulumi.Resource]:
        """Return what is there once every version of this release is, and what all of them wait for."""
        # Without a new version, too, what comes next is proven on the schema that this release brings.
        return [self.after, *(self.deployed[spec.name].last for spec in self.on.plan.target.values())]

    def running(self, specs: Mapping[str, Spec]) -> pulumi.Output[dict[str, Any]]:
        """Return the descriptors by service, once all of them are known."""
        return pulumi.Output.all(**{service: self.deployed[spec.name].running.descriptor for service, spec in specs.items()})

    def described(self, specs: Mapping[str, Spec]) -> pulumi.Output[dict[str, Any]]:
        """Return the descriptors by service; of a settled release, which nobody asks, none."""
        return pulumi.Output.from_input({}) if self.on.plan.settled else self.running(specs)

    @property
    def target(self) -> pulumi.Output[dict[str, Any]]:
        """Return the descriptors of this release's own versions."""
        return self.described(self.on.plan.target)

    @property
    def replaced(self) -> pulumi.Output[dict[str, Any]]:
        """Return the descriptors of the versions that they take the traffic from."""
        return self.described({service: spec for service, spec in self.on.plan.live.items() if service in self.on.plan.target})

    @property
    def urls(self) -> pulumi.Output[dict[str, Any]]:
        """Return where each service of this release is reached without the front door."""
        return self.target.apply(lambda found: {name: one["url"] for name, one in found.items()})
