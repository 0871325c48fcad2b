"""What all parts of one release share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pulumi

from sluice.components import contract, facts
from sluice.components.base import Component
from sluice.components.release.args import ReleaseArgs
from sluice.components.stack import Stack
from sluice.core.contract import Terms
from sluice.core.plan import Plan
from sluice.core.requirement import Requirement
from sluice.core.settings.rollout import Rollout
from sluice.runtimes import port


@dataclass(frozen=True, kw_only=True)
class Scope:
    """A release as its parts see it: `owner` is the component that they hang below, `name` begins all of their names."""

    owner: Component
    name: str
    args: ReleaseArgs
    stack: Stack
    runtime: port.Runtime
    plan: Plan

    @property
    def rollout(self) -> Rollout:
        """Return config's `sluice:rollout`."""
        return self.stack.settings.rollout

    @property
    def step(self) -> dict[str, Any]:
        """Return what says to every hook whether it has to run: whose it is, and whether that is done."""
        return {"release": self.plan.release, "settled": self.plan.settled}

    @property
    def bare(self) -> dict[str, Any]:
        """Return what every hook of this release is given, whatever it does."""
        return self.step | {"notify": self.rollout.webhooks, "contacts": [contact.wire() for contact in self.rollout.chain]}

    @cached_property
    def placed(self) -> Requirement:
        """Return what the runtime requires for what it has not run yet; on the way back to what is warm it has run all."""
        plan = self.plan
        new = [] if plan.settled or plan.returning else [spec.artifact for spec in plan.target.values() if spec.name in plan.new]
        return self.runtime.requires(new)

    @property
    def untested(self) -> str:
        """Return who lets this release go without its smoke tests, "" when nobody does."""
        return self.plan.skipped.get("tests", "")

    @property
    def instructions(self) -> list[dict[str, Any]]:
        """Return the restores that people have asked this very release for."""
        return [one.wire() for one in self.rollout.restore if one.release == self.plan.release]

    @property
    def terms(self) -> Terms:
        """Return what the stack promises to others once the release is live."""
        return contract.terms(self.stack, self.plan, self.args.databases)

    @property
    def own(self) -> dict[str, Any]:
        """Return what every step of this release is given."""
        return self.bare | ({} if self.plan.settled else self.journal)

    @cached_property
    def journal(self) -> dict[str, str]:
        """Return where steps that run write down what happens; those of a settled release do not run, and are not told."""
        return {"journal": facts.source(self.runtime.journal).text}

    def named(self, state: str) -> dict[str, str]:
        """Return what a notice says beside its text."""
        return {"release": self.plan.release, "stack": pulumi.get_stack(), "state": state}

    def below(self, *after: pulumi.Resource) -> pulumi.ResourceOptions:
        """Return a part's options: below the release, and after those."""
        return self.owner.below(*after)
