"""Backup, drill and rehearsal: what a release is about to change is saved, restored and compared, and changed on a copy first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import Resource, UpdateResult

from sluice.hooks.base import Hook, Props

if TYPE_CHECKING:
    from sluice.core.backup.manifest import Backup as Made
    from sluice.core.clock import Clock
    from sluice.core.database import Database
    from sluice.core.settings.rollout import Backup as Rules
    from sluice.systems.moment import Taken


class BackupProvider(Hook):
    """Refuses what no database could become; then saves and drills each that has statements to run (`when` always: each one).

    Inputs beside every hook's: `databases` (`core.database.Database`), `folder`, `when` (pending, always, never), `needed` (ids that
    proven releases name), and all else of `rollout.backup` (core.settings.rollout). Outputs: `backups`, ids by database; `lines`, a
    sentence each.
    """

    def update(self, _id: str, _olds: Any, _news: Any) -> UpdateResult:
        """Run again, and keep what an earlier attempt at the same release has saved."""
        outs = self._outs(_news)
        return UpdateResult(outs={**outs, "backups": _again(_olds, outs)})

    def run(self, props: Props) -> Props:
        """Save, restore beside and compare, prune, and rehearse."""
        if props.get("settled"):
            return {"backups": {}, "lines": []}
        from sluice.core.database import Database

        databases = [Database.read(one) for one in props["databases"]]
        _refuse(databases, props["release"])
        due = [one for one in databases if _due(one, props["when"])]
        made = _save(due, props)
        _prune(props, due)
        lines = _lines(list(made.values())) + [line for one in due for line in _rehearse(one, made[one.name])]
        return {"backups": {name: backup.id for name, backup in made.items()}, "lines": lines}


def _again(olds: Any, outs: Any) -> dict[str, str]:
    """Return what this release has saved in all its attempts: a later one finds nothing pending, and its record must still name it."""
    before = olds.get("backups") if olds.get("release") == outs["release"] else None
    return {**(before or {}), **outs["backups"]}


def _refuse(databases: list[Database], release: str) -> None:
    from sluice.core.errors import Refused
    from sluice.systems import schema

    reasons = schema.refusals(databases)
    if reasons:
        raise Refused(reasons, headline=f"{release} does not begin, no database was touched:")


def _due(database: Database, when: str) -> bool:
    from sluice.systems import schema

    wanted = when == "always" or (when == "pending" and schema.moves(database))
    return wanted and not schema.bare(database)


def _rules(props: Props) -> Rules:
    from sluice.core.settings.rollout import Backup as Rules

    # A way back says "never", which config cannot.
    names = [name for name in Rules.model_fields if name != "when" and props.get(name) is not None]
    return Rules.read({name: props[name] for name in names})


def _save(databases: list[Database], props: Props) -> dict[str, Made]:
    """Save all databases as of one moment, if there is one, then prove each."""
    from sluice.hooks.stop import Stop, WatchedClock
    from sluice.systems.moment import take

    if not databases:
        return {}
    rules, clock = _rules(props), WatchedClock(Stop())
    with take([one.store for one in databases], pause=rules.pause, clock=clock) as moments:
        made = [_dump(one, taken, rules, props, clock) for one, taken in zip(databases, moments, strict=True)]
    return {one.name: _prove(one, id, rules, props, clock) for one, id in zip(databases, made, strict=True)}


def _dump(database: Database, taken: Taken, rules: Rules, props: Props, clock: Clock) -> str:
    from pathlib import Path

    from sluice.core.migration.history import revision
    from sluice.systems import backup, migrations

    how = {name: getattr(rules, name) for name in ("format", "compression", "jobs", "clean", "encrypt")}
    facts = {"revision": revision(migrations.look(database.store)) or None, "release": props["release"], "first": not database.known}
    return backup.make(database.store, Path(props["folder"]), taken=taken, clock=clock, **how, **facts).id


def _prove(database: Database, id: str, rules: Rules, props: Props, clock: Clock) -> Made:
    from pathlib import Path

    from sluice.core.errors import BackupFailed
    from sluice.systems import shelf
    from sluice.systems.drill import drill

    folder = Path(props["folder"])
    made = next((one for one in shelf.load(folder, database=database.name) if one.id == id), None)
    if made is None:
        raise BackupFailed(f"backup {id} of '{database.name}' is gone from '{folder}' before its drill: run `pulumi up` again")
    return made.model_copy(update={"drilled": drill(database.store, made, checks=database.checks, jobs=rules.jobs, clock=clock)})


def _rehearse(database: Database, made: Made) -> list[str]:
    import time

    from sluice.systems import schema, shelf
    from sluice.systems.rehearsal import rehearse

    assert made.drilled
    if not schema.moves(database):
        return []
    seconds: dict[str, float] = {}
    lines = rehearse(database, made.drilled.scratch, seconds=seconds)
    shelf.rehearsed(made, seconds, at=time.time())
    return lines


def _prune(props: Props, databases: list[Database]) -> None:
    """Remove what is no longer needed: old backups, and the copies of all but the newest, which is the restore point."""
    from pathlib import Path

    from sluice.core.backup.manifest import scratch
    from sluice.systems import shelf
    from sluice.systems.copy import drop
    from sluice.systems.lock import maintained

    folder = Path(props["folder"])
    for one in databases:
        with maintained(one.store, "backup") as connection:
            for old in shelf.load(folder, database=one.name)[1:]:
                # Only what this backup's own drill has made: the record is a file, and files can be edited.
                drop(connection, scratch(one.name, old.id))
        # The copies first: a backup that is gone names no copy any more.
        shelf.prune(folder, database=one.name, needed=props["needed"], keep=int(props["keep"]))


def _lines(made: list[Made]) -> list[str]:
    from sluice.core.backup.rule import mutual

    return [_line(one) for one in made] + ([mutual([one.manifest for one in made])] if len(made) > 1 else [])


def _line(made: Made) -> str:
    assert made.drilled
    proof = f"restored and compared in {made.drilled.rto:.1f} s: {', '.join(made.drilled.compared)}"
    return f"{made.manifest.database}: {made.id}, {made.manifest.size / 2**20:.1f} MiB in {made.manifest.seconds:.1f} s; {proof}"


class Backup(Resource, module="sluice", name="Backup"):
    """Backups in a stack; `props` are those of `BackupProvider`."""

    backups: pulumi.Output[dict[str, str]]
    lines: pulumi.Output[list[str]]

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(BackupProvider(), name, {**props, "backups": None, "lines": None}, opts)
