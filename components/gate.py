"""A gate, declared on its own or by a Release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from sluice.components.base import Component
from sluice.core.check import Check
from sluice.core.moment import Moment
from sluice.hooks import gate

# A service that starts in a few seconds on a busy machine; slower ones say so.
DEADLINE = 60.0


class Gate(Component):
    """Holds an update until all `checks` pass, and fails it at `deadline` (seconds).

    It runs while `settled` is false; without one, when `release` is another, and again after a failure. `common` is what all
    hooks of a release share: fallback, notify, contacts. Output: `verdicts`, a sentence for each check.
    """

    verdicts: pulumi.Output[list[str]]

    def __init__(
        self,
        name: str,
        *,
        release: pulumi.Input[str],
        settled: bool | None = None,
        moment: Moment = Moment.HEALTH,
        checks: pulumi.Input[Sequence[Check | Mapping[str, Any]]],
        deadline: float = DEADLINE,
        common: Mapping[str, Any] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, {"release": release}, opts)
        asked = pulumi.Output.from_input(checks).apply(lambda some: [_wire(check) for check in some])
        own = {"release": release, "settled": settled, "moment": moment.value, "checks": asked, "deadline": deadline}
        self.verdicts = gate.Gate(f"{name}-gate", {**(common or {}), **own}, self.below()).verdicts
        self.register_outputs({"verdicts": self.verdicts})


def _wire(check: Check | Mapping[str, Any]) -> dict[str, Any]:
    return check.wire() if isinstance(check, Check) else dict(check)
