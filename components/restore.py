"""Restores, declared by a program that lets people ask for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from sluice.components.base import Component
from sluice.hooks import restore


class Restore(Component):
    """Puts databases back to what a backup holds, by a copy that takes their place; the old ones are kept aside.

    `instructions` are core.restore.order.Instruction as data; those for another release are void, and each is carried out once.
    Outputs: `lines`, what was lost and what is kept.
    """

    lines: pulumi.Output[list[str]]

    def __init__(
        self,
        name: str,
        *,
        release: pulumi.Input[str],
        settled: bool | None = None,
        databases: pulumi.Input[Sequence[Mapping[str, Any]]],
        folder: pulumi.Input[str],
        instructions: Sequence[Mapping[str, Any]] = (),
        common: Mapping[str, Any] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, {"release": release}, opts)
        own = {"release": release, "settled": settled, "databases": databases, "folder": folder, "instructions": list(instructions)}
        made = restore.Restore(f"{name}-swap", {**(common or {}), **own}, self.below())
        self.lines = made.lines
        self.register_outputs({"lines": made.lines})
