"""Backups, declared on their own or by a Release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from sluice.components.base import Component, tell
from sluice.core.settings.rollout import Backup as Rules
from sluice.hooks import backup


class Backup(Component):
    """Saves databases and proves each backup by a restore beside the live one, before anything is changed.

    `databases` are core.database.Database as data, `folder` where backups are kept, `rules` config's own (`rollout.backup`), `needed`
    the ids that must not be pruned, `ask` (core.settings.permission.Ask as data) how to ask for leave to go back, `skip` who lets the
    release go without.
    Outputs: `backups`, ids by database; `lines`, a sentence each.
    """

    backups: pulumi.Output[dict[str, str]]

    def __init__(
        self,
        name: str,
        *,
        release: pulumi.Input[str],
        settled: bool | None = None,
        databases: pulumi.Input[Sequence[Mapping[str, Any]]],
        folder: pulumi.Input[str],
        rules: Rules | None = None,
        needed: Sequence[str] = (),
        ask: Mapping[str, Any] | None = None,
        skip: str = "",
        common: Mapping[str, Any] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, {"release": release}, opts)
        own: dict[str, Any] = {"release": release, "settled": settled, "databases": databases, "folder": folder, "needed": list(needed)}
        own |= {"owner": f"{pulumi.get_project()}/{pulumi.get_stack()}"}
        own |= {name: given for name, given in (("ask", ask), ("skip", skip)) if given}
        made = backup.Backup(f"{name}-dump", {**(common or {}), **own, **(rules or Rules()).wire()}, self.below())
        self.backups = made.backups
        if not settled:
            tell(self, made.lines)
        self.register_outputs({"backups": made.backups, "lines": made.lines})
