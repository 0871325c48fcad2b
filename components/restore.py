"""Restores, declared on their own or by a Release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pulumi

from sluice.components.base import Component, tell
from sluice.components.gate import DEADLINE
from sluice.hooks import restore


class Restore(Component):
    """Puts databases back to what a backup holds, by a copy that takes their place; the old ones are kept aside.

    `instructions` are core.settings.restore.Instruction as data; those for another release are void, and each is carried out once.
    `turn`, for one of two around the code of a release, of which a version `moves` or not: `before` takes what the new code needs, `after`
    the rest. `checks` must hold within `deadline` seconds afterwards: sessions were ended, and services connect again. `keep`: seconds
    after which what was put aside may go, but for the newest. Output: `lines`, what was lost and what is kept.
    """

    lines: pulumi.Output[list[str]]

    def __init__(
        self,
        name: str,
        *,
        release: pulumi.Input[str],
        settled: bool | None = None,
        instructions: Sequence[Mapping[str, Any]] = (),
        databases: pulumi.Input[Sequence[Mapping[str, Any]]],
        folder: pulumi.Input[str],
        turn: Literal["before", "after"] | None = None,
        moves: bool = False,
        jobs: int = 1,
        keep: float | None = None,
        checks: pulumi.Input[Sequence[Mapping[str, Any]]] = (),
        deadline: float = DEADLINE,
        heard: pulumi.Input[bool] | None = None,
        common: Mapping[str, Any] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, {"release": release}, opts)
        asked: dict[str, Any] = {"instructions": list(instructions), "turn": turn, "moves": moves, "jobs": jobs, "keep": keep}
        asked |= {"checks": checks, "deadline": deadline}
        own = {"release": release, "settled": settled, "databases": databases, "folder": folder, **asked}
        self.lines = restore.Restore(f"{name}-swap", {**(common or {}), **own}, self.below()).lines
        # A settled release that has carried out nothing still has the lines of the last time.
        wanted = pulumi.Output.all(not settled if heard is None else heard, self.lines)
        tell(self, wanted.apply(lambda known: known[1] if known[0] else []))
        self.register_outputs({"lines": self.lines})
