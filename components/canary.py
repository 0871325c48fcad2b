"""A canary, declared on its own or by a Release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from sluice.components.base import Component
from sluice.hooks import canary


class Canary(Component):
    """Moves traffic to the new versions step by step, and takes all of it back when anything but a pass comes.

    `split` is a runtime's descriptor with routes, `rollout` a core.rollout.Rollout as data. Outputs: `steps`, a line for each
    step that was proven; `held`, where the keeper holds it (`release`, `weight`, `since`, `until`), else {}.
    """

    steps: pulumi.Output[list[str]]
    held: pulumi.Output[dict[str, Any]]

    def __init__(
        self,
        name: str,
        *,
        release: pulumi.Input[str],
        settled: bool | None = None,
        split: pulumi.Input[Mapping[str, Any]],
        rollout: pulumi.Input[Mapping[str, Any]],
        common: Mapping[str, Any] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, {"release": release}, opts)
        own = {"release": release, "settled": settled, "split": split, "rollout": rollout}
        ladder = canary.Canary(f"{name}-ladder", {**(common or {}), **own}, self.below())
        self.steps, self.held = ladder.steps, ladder.held
        self.register_outputs({"steps": self.steps, "held": self.held})
