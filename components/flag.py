"""A feature flag: a kill switch that works at once."""

from __future__ import annotations

import pulumi

from sluice.components.base import Component
from sluice.hooks import flag


class Flag(Component):
    """Switches one feature for every version that runs, through the file that services read (SLUICE_FLAGS).

    `file` is the runtime's flag file. An update switches it before any gate. At night, without an update:
    `python -m sluice.systems.flags FILE NAME off --stack STACK` changes the world first, then config.
    """

    def __init__(
        self, name: str, *, file: pulumi.Input[str], on: bool, flag_name: str = "", opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, {"on": on}, opts)
        self.on = on
        flag.Flag(f"{name}-switch", {"file": file, "flag": flag_name or name, "on": on}, self.below())
        self.register_outputs({"on": on})
