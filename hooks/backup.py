"""Backup, drill and rehearsal: what a release is about to change is saved, restored and compared, and changed on a copy first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import Resource, UpdateResult

from sluice.hooks.base import Hook, Props

if TYPE_CHECKING:
    from sluice.core.backup.manifest import Backup as Made
    from sluice.core.backup.manifest import Rehearsed
    from sluice.core.clock import Clock
    from sluice.core.database import Database
    from sluice.core.settings.rollout import Backup as Rules
    from sluice.systems.moment import Taken


class BackupProvider(Hook):
    """Refuses what no database could become; then saves and drills each that has statements to run (`when` always: each one).

    Inputs beside every hook's: `databases` (`core.database.Database`), `folder`, `when` (pending, always), `needed` (ids that
    proven releases name), `owner` (the stack: only its own backups are removed), `ask` (`core.settings.permission.Ask`, optional), and
    all else of `rollout.backup` (core.settings.rollout). Outputs: `backups`, ids by database; `lines`, a sentence each.
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
        from sluice.systems import able, schema

        databases = [Database.read(one) for one in props["databases"]]
        _refuse(databases, props)
        wanted = [one for one in databases if able.wanted(one, props["when"])]
        bare = [one for one in wanted if schema.bare(one)]
        with _written(props["folder"]):
            backups, lines = _protect([one for one in wanted if one not in bare], props)
        return {"backups": backups, "lines": [*(f"{one.name}: {schema.BARE}" for one in bare), *lines]}


def _protect(due: list[Database], props: Props) -> tuple[dict[str, str], list[str]]:
    for one in due:
        _sweep(one, props)
    made = _save(due, props)
    for one in due:
        _prune(one, props)
    rehearsed = {one.name: _rehearse(one, made[one.name]) for one in due}
    _ready(made, rehearsed)
    lines = _lines(list(made.values())) + [line for one in rehearsed.values() if one for line in one.lines]
    return {name: backup.id for name, backup in made.items()}, lines


@contextmanager
def _written(folder: str) -> Iterator[None]:
    """Say what a disk has refused, where nothing nearer has said it."""
    from sluice.core.errors import BackupFailed

    try:
        yield
    except OSError as error:
        what = f"'{error.filename or folder}' cannot be read or written ({error.strerror})"
        raise BackupFailed(f"{what}: backups are kept in '{folder}'; mend that, then run `pulumi up` again") from None


def _again(olds: Any, outs: Any) -> dict[str, str]:
    """Return what this release has saved in all its attempts: a later one finds nothing pending, and its record must still name it."""
    before = olds.get("backups") if olds.get("release") == outs["release"] else None
    return {**(before or {}), **outs["backups"]}


def _refuse(databases: list[Database], props: Props) -> None:
    from sluice.core.errors import Refused
    from sluice.core.settings.permission import Ask
    from sluice.systems import able

    reasons = able.refusals(databases, props["when"], Ask.read(props["ask"]) if props.get("ask") else None)
    if reasons:
        raise Refused(reasons, headline=f"{props['release']} does not begin, no database was touched:")


def _rules(props: Props) -> Rules:
    from sluice.core.settings.rollout import Backup as Rules

    names = [name for name in Rules.model_fields if props.get(name) is not None]
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

    from sluice.systems import backup, scheme

    how = {name: getattr(rules, name) for name in ("format", "compression", "jobs", "clean", "encrypt")}
    facts = {"revision": scheme.of(database).revision() or None, "release": props["release"], "owner": _owner(props)}
    return backup.make(database.store, Path(props["folder"]), taken=taken, first=not database.known, clock=clock, **how, **facts).id


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


def _sweep(database: Database, props: Props) -> None:
    from pathlib import Path

    from sluice.systems.leftover import sweep
    from sluice.systems.lock import held

    with held(database.store, "backup") as lock:
        sweep(lock, database.store, Path(props["folder"]), owner=_owner(props))


def _prune(database: Database, props: Props) -> None:
    """Remove what is no longer needed: old backups, and the copies of all but the newest, which is the restore point."""
    from pathlib import Path

    from sluice.systems import shelf
    from sluice.systems.leftover import sweep, system
    from sluice.systems.lock import held

    folder, rules = Path(props["folder"]), {"needed": props["needed"], "keep": int(props["keep"])}
    with held(database.store, "backup") as lock:
        # The copies first: a backup that is gone names no copy any more.
        sweep(lock, database.store, folder, owner=_owner(props))
        shelf.prune(folder, database=database.name, owner=_owner(props), system=system(lock), **rules)


def _owner(props: Props) -> str:
    # Inputs from before there were owners have none.
    return props.get("owner") or ""


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
