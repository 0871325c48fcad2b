"""A phase of migrations, declared on its own or by a Release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pulumi

from sluice.components.base import Component, tell
from sluice.hooks import migration


class Migration(Component):
    """Brings databases towards their revisions: `expand` before new code runs, `settle` once the old code is gone.

    `databases` are core.database.Database as data; `folder` and `backups` (ids by database) say what saves them. Outputs: `revisions`
    by database; `seconds` that they took, by 'database/key'; `lines`, what ran.
    """

    revisions: pulumi.Output[dict[str, str]]
    seconds: pulumi.Output[dict[str, float]]

    def __init__(
        self,
        name: str,
        *,
        release: pulumi.Input[str],
        settled: bool | None = None,
        phase: Literal["expand", "settle"],
        databases: pulumi.Input[Sequence[Mapping[str, Any]]],
        folder: pulumi.Input[str],
        backups: pulumi.Input[Mapping[str, str]],
        common: Mapping[str, Any] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, {"release": release}, opts)
        own = {"release": release, "settled": settled, "phase": phase, "databases": databases, "folder": folder, "backups": backups}
        ran = migration.Migration(f"{name}-run", {**(common or {}), **own}, self.below())
        self.revisions, self.seconds = ran.revisions, ran.seconds
        if not settled:
            tell(self, ran.lines)
        self.register_outputs({"revisions": ran.revisions, "seconds": ran.seconds, "lines": ran.lines})
