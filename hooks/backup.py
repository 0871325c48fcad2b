"""Backup, drill and rehearsal: what a release is about to change is saved, restored and compared, and changed on a copy first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import Resource, UpdateResult

from sluice.hooks.base import Hook, Props

if TYPE_CHECKING:
    from sluice.core.backup.manifest import Backup as Made
    from sluice.core.backup.manifest import Rehearsed
    from sluice.core.database import Database
    from sluice.systems.save import How


class BackupProvider(Hook):
    """Refuses what no database could become; then saves and drills each that has statements to run (`when` always: each one).

    Inputs beside every hook's: `databases` (`core.database.Database`), `folder`, `when` (pending, always), `needed` (ids that
    proven releases name), `owner` (the stack: only its own backups are removed), optionally `ask` (`core.settings.permission.Ask`) and
    `skip` (who lets the release go without a backup, as far as it has nothing to run), and all else of `rollout.backup`
    (core.settings.rollout). Outputs: `backups`, ids by database; `lines`, a sentence each.
    """

    moment = "backup"
    told = ("backups", "lines")

    def update(self, _id: str, _olds: Any, _news: Any) -> UpdateResult:
        """Run again, and keep what an earlier attempt at the same release has saved."""
        outs = self._outs(_news)
        return UpdateResult(outs={**outs, "backups": _again(_olds, outs)})

    def run(self, props: Props) -> Props:
        """Save, restore beside and compare, prune, and rehearse."""
        if props.get("settled"):
            return {"backups": {}, "lines": []}
        from pathlib import Path

        from sluice.core.database import Database
        from sluice.systems import able, save, schema

        databases = [Database.read(one) for one in props["databases"]]
        _refuse(databases, props)
        if who := props.get("skip"):
            return {"backups": {}, "lines": [f"nothing was saved: '{who}' lets {props['release']} go without a backup"]}
        wanted = [one for one in databases if able.wanted(one, props["when"])]
        bare = [one for one in wanted if schema.bare(one)]
        with save.written(Path(props["folder"]), "pulumi up"):
            backups, lines = _protect([one for one in wanted if one not in bare], props)
        return {"backups": backups, "lines": [*(f"{one.name}: {schema.BARE}" for one in bare), *lines]}


def _protect(due: list[Database], props: Props) -> tuple[dict[str, str], list[str]]:
    from sluice.systems import save

    made = save.save(due, _how(props))
    rehearsed = {one.name: _rehearse(one, made[one.name]) for one in due}
    _ready(made, rehearsed)
    lines = save.lines(list(made.values())) + [line for one in rehearsed.values() if one for line in one.lines]
    return {name: backup.id for name, backup in made.items()}, lines


def _how(props: Props) -> How:
    from pathlib import Path

    from sluice.core.settings.rollout import Backup as Rules
    from sluice.hooks.stop import Stop, WatchedClock
    from sluice.systems.save import How

    rules = Rules.read({name: props[name] for name in Rules.model_fields if props.get(name) is not None})
    # Inputs from before there were owners have none.
    whose = {"owner": props.get("owner") or "", "release": props["release"]}
    return How(folder=Path(props["folder"]), rules=rules, needed=props["needed"], clock=WatchedClock(Stop()), **whose)


def _again(olds: Any, outs: Any) -> dict[str, str]:
    """Return what this release has saved in all its attempts: a later one finds nothing pending, and its record must still name it."""
    before = olds.get("backups") if olds.get("release") == outs["release"] else None
    return {**(before or {}), **outs["backups"]}


def _refuse(databases: list[Database], props: Props) -> None:
    from sluice.core.errors import Refused
    from sluice.core.settings.permission import Ask
    from sluice.systems import able

    ask = Ask.read(props["ask"]) if props.get("ask") else None
    reasons = able.refusals(databases, props["when"], ask, skip=props.get("skip") or "")
    if reasons:
        raise Refused(reasons, headline=f"{props['release']} does not begin, no database was touched:")


def _rehearse(database: Database, made: Made) -> Rehearsed | None:
    from sluice.hooks.stop import Stop, WatchedClock
    from sluice.systems import schema
    from sluice.systems.rehearsal import rehearse

    assert made.drilled
    return rehearse(database, made.drilled.scratch, clock=WatchedClock(Stop())) if schema.moves(database) else None


def _ready(made: Mapping[str, Made], rehearsed: Mapping[str, Rehearsed | None]) -> None:
    """Write down what was rehearsed once all is: the first database has waited for the last one."""
    import time

    from sluice.systems import shelf

    now = time.time()
    for name, one in rehearsed.items():
        if one:
            shelf.record(made[name], one.model_copy(update={"at": now}))


class Backup(Resource, module="sluice", name="Backup"):
    """Backups in a stack; `props` are those of `BackupProvider`."""

    backups: pulumi.Output[dict[str, str]]
    lines: pulumi.Output[list[str]]

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(BackupProvider(), name, {**props, "backups": None, "lines": None}, opts)
