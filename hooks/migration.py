"""Migrations around a release: expand before its services start, settle once they are proven."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import DiffResult, Resource

from sluice.hooks.base import Hook, Props, due

if TYPE_CHECKING:
    from sluice.core.backup.manifest import Rehearsed
    from sluice.core.database import Database
    from sluice.core.migration.history import Plan
    from sluice.systems.lock import Lock

# Long enough for another deployer's dump to end; longer, and a person should look who holds the lock.
WAIT = 60.0


class MigrationProvider(Hook):
    """Brings each database towards its revision, one at a time, under its lock; its backup is looked at again under the same lock.

    Inputs beside every hook's: `phase` (expand, settle), `databases` (`core.database.Database`), `folder` (of backups), `backups` (ids
    by database). Outputs: `revisions` by database, as they are now; `seconds` that this release's migrations took, in all its attempts and
    phases, by 'database/key' (`core.migration.file.key`); `lines`, what ran.
    """

    told = ("revisions", "seconds", "lines")

    def diff(self, _id: str, _olds: Any, _news: Any) -> DiffResult:
        """Run for an unsettled release; and once for a settled one that comes back after an update to another one that did not end."""
        back = _news.get("phase") == "expand" and _olds.get("release") != _news["release"]
        return DiffResult(changes=due(_olds, _news) or back)

    def rest(self, props: Props) -> Props:
        """Settle nothing: the live release serves beside the new one."""
        return {"revisions": {}, "seconds": {}, "lines": []}

    def run(self, props: Props) -> Props:
        """Run what is pending; a settled release has run all of it, and only looks whether that still is so."""
        if props.get("settled"):
            _fits(props)
            return {"revisions": {}, "seconds": {}, "lines": []}
        from sluice.core.database import Database
        from sluice.core.errors import SluiceError

        databases = [Database.read(one) for one in props["databases"] if one.get("target")]
        # Backups were ready for this moment: what one database takes does not make the next one's older.
        begun = time.time()
        try:
            lines = [line for one in databases for line in _move(one, props, begun)]
        except SluiceError as error:
            # The new version has proven itself, and runs with what settle does and does not do; the live one only with what was before.
            error.stays = props["phase"] == "settle" and _settling(databases, props["release"])
            raise
        revisions = {one.name: _revision(one) for one in databases}
        return {"revisions": revisions, "seconds": _seconds(databases, props["release"]), "lines": lines}


def _fits(props: Props) -> None:
    """Refuse to go on with a settled release whose database an update to another one has changed, and was killed or failed then."""
    from sluice.core.database import Database
    from sluice.core.errors import Refused, Unreachable
    from sluice.systems import schema

    try:
        wrong = [f"{one.name}: {why}" for one in map(Database.read, props["databases"]) for why in schema.unfit(one)]
    except Unreachable:
        # Then this release does not serve anyway, and what is repaired must not wait for it.
        return
    if wrong:
        headline = f"{props['release']} was proven, but an update to another release did not end, and has changed what it runs with:"
        way = "write the sluice:release of that update back, and `pulumi up`, which goes on with it; then come back from there"
        raise Refused([*wrong, way], headline=headline)


def _revision(database: Database) -> str:
    from sluice.systems import scheme

    return scheme.of(database).revision()


def _settling(databases: list[Database], release: str) -> bool:
    from sluice.systems import schema

    return any(schema.settling(one, release) for one in databases)


def _seconds(databases: list[Database], release: str) -> dict[str, float]:
    """Read the durations from the histories: an earlier attempt at this release may have run some."""
    from sluice.systems import migrations

    rows = [(one, row) for one in databases for row in migrations.look(one.store)]
    return {f"{one.name}/{row.key}": round(row.seconds, 3) for one, row in rows if row.seconds is not None and row.release == release}


def _move(database: Database, props: Props, begun: float) -> list[str]:
    from sluice.systems import schema
    from sluice.systems.lock import held

    plan = schema.way(database, props["phase"])
    if not plan.steps and not plan.refusals:
        return [f"{database.name}: {note}" for note in plan.notes]
    with held(database.store, "migration", wait=WAIT) as lock:
        # Looked at again: somebody else may have had the lock before.
        return _run(database, schema.way(database, props["phase"]), lock, props, begun)


def _run(database: Database, plan: Plan, lock: Lock, props: Props, begun: float) -> list[str]:
    from sluice.core.errors import MigrationFailed
    from sluice.hooks.stop import Stop, WatchedClock
    from sluice.systems import schema, scheme

    saved = _saved(database, plan, lock, props, begun) if plan.steps else None
    late = saved.late if saved else None
    lines: list[str] = []
    clock = WatchedClock(Stop())
    try:
        scheme.of(database).run(plan, check=lock.check, release=props["release"], clock=clock, log=lines.append, late=late)
    except MigrationFailed as error:
        raise MigrationFailed(f"{error}; {schema.now(database)}") from None
    return [f"{database.name}: {line}" for line in (*plan.notes, *_ran(database, plan))]


def _ran(database: Database, plan: Plan) -> list[str]:
    """Say what ran, and of what went back where that has led."""
    back = f" went back, now at '{_revision(database)}'" if any(step.action == "down" for step in plan.steps) else ""
    return [step.migration.name + (back if step.action == "down" else "") for step in plan.steps]


def _saved(database: Database, plan: Plan, lock: Lock, props: Props, begun: float) -> Rehearsed | None:
    """Return what was rehearsed, None where there is nothing to lose; refuse to change what is not saved, and what was not rehearsed: of
    this very server, and with these very files."""
    from pathlib import Path

    from sluice.core.backup.rule import stale, unfit, unrehearsed
    from sluice.core.errors import Refused
    from sluice.systems import leftover, schema, shelf

    id = props["backups"].get(database.name)
    if id is None and schema.bare(database):
        return None
    made = {one.id: one for one in shelf.load(Path(props["folder"]), database=database.name)}.get(id or "")
    why = f"backup '{id}' of '{database.name}' is not in '{props['folder']}'"
    if made:
        why = unfit(made, database=database.name, release=props["release"], system=leftover.system(lock))
    if made and made.rehearsed and not why:
        why = unrehearsed(made.rehearsed, props["phase"], contents=plan.contents, history=plan.basis)
        # What settles follows the canary, which may take hours; the backup is of the same release.
        why = why or (stale(made.id, made.rehearsed.at, begun) if props["phase"] == "expand" else "")
    if why:
        raise Refused([f"{why}: nothing was migrated; run `pulumi up` again"])
    return made.rehearsed if made else None


class Migration(Resource, module="sluice", name="Migration"):
    """Migrations in a stack; `props` are those of `MigrationProvider`."""

    revisions: pulumi.Output[dict[str, str]]
    seconds: pulumi.Output[dict[str, float]]
    lines: pulumi.Output[list[str]]

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(MigrationProvider(), name, {**props, "revisions": None, "seconds": None, "lines": None}, opts)
