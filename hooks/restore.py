"""A database goes back to a backup, because a person has asked this very release for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import DiffResult, Resource

from sluice.hooks.base import Hook, Props, due, unknown

if TYPE_CHECKING:
    from sluice.core.backup.manifest import Backup
    from sluice.core.database import Database
    from sluice.core.restore.order import Instruction


class RestoreProvider(Hook):
    """Carries out each instruction once: the server itself knows what is done, whatever state, config and history say.

    Inputs beside every hook's: `databases` (`core.database.Database`), `folder` (of backups), `instructions`
    (`core.restore.order.Instruction`). Outputs: `done`, the nonces; `lines`, what was said.
    """

    def diff(self, _id: str, _olds: Any, _news: Any) -> DiffResult:
        """Report a change while the release is not settled, and where a settled one has a new instruction."""
        return DiffResult(changes=unknown(_news) or due(_olds, _news) or bool(_new(_olds, _news)))

    def run(self, props: Props) -> Props:
        """Look at all of them, then restore one after the other."""
        from sluice.core.database import Database
        from sluice.core.restore.order import Instruction

        databases = {one.name: one for one in map(Database.read, props["databases"])}
        wanted = [one for one in map(Instruction.read, props["instructions"]) if one.release == props["release"]]
        found = {one.nonce: _backup(one, databases, props["folder"]) for one in wanted}
        lines = [line for one in wanted for line in _restore(one, databases[one.database], found[one.nonce])]
        return {"done": [one.nonce for one in wanted], "lines": lines}


def _new(olds: Props, news: Props) -> set[str]:
    """Return the nonces of this release's instructions that were not carried out yet, as far as state knows."""
    asked = {one["nonce"] for one in news["instructions"] if one["release"] == news["release"]}
    return asked - set(olds.get("done") or [])


def _backup(one: Instruction, databases: Mapping[str, Database], folder: str) -> Backup:
    from pathlib import Path

    from sluice.core.errors import Refused
    from sluice.systems import shelf

    if one.database not in databases:
        known = ", ".join(f"'{name}'" for name in databases)
        raise Refused([f"'{one.database}' is to be restored, and this release has {known or 'no database'}: no database was touched"])
    held = shelf.load(Path(folder), database=one.database)
    found = next((backup for backup in held if backup.id == one.backup), None)
    if found is None:
        ids = ", ".join(backup.id for backup in held if backup.verified)
        why = f"'{one.database}' is to be restored from '{one.backup}', and '{folder}' has {ids or 'no backup of it'}"
        raise Refused([f"{why}: no database was touched"])
    return found


def _restore(one: Instruction, database: Database, backup: Backup) -> list[str]:
    from sluice.hooks.stop import Stop, WatchedClock
    from sluice.systems import recover

    said: list[str] = []
    clock = WatchedClock(Stop())
    done = recover.from_backup(database.store, backup, one.order, checks=database.checks, refuse=one.refuse, clock=clock, log=said.append)
    again = ["had been done before, and was not done again"] if done.again else []
    return [f"{one.database}: {line}" for line in (*said, *again, *done.lines[-1:])]


class Restore(Resource, module="sluice", name="Restore"):
    """Restores in a stack; `props` are those of `RestoreProvider`."""

    done: pulumi.Output[list[str]]
    lines: pulumi.Output[list[str]]

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(RestoreProvider(), name, {**props, "done": None, "lines": None}, opts)
