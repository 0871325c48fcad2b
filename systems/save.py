"""Saving databases: what a killed deployer left goes, each is saved and proved, then what is no longer needed goes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sluice.core.backup.manifest import Backup
from sluice.core.backup.rule import apart, joint, mutual
from sluice.core.clock import Clock, SystemClock
from sluice.core.database import Database
from sluice.core.diagnosis.finding import size
from sluice.core.errors import BackupFailed
from sluice.core.settings.rollout import Backup as Rules
from sluice.systems import backup, scheme, shelf
from sluice.systems.drill import drill
from sluice.systems.leftover import sweep, system
from sluice.systems.lock import held
from sluice.systems.moment import Taken, take


def quiet(line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, kw_only=True)
class How:
    """How a stack's databases are saved.

    `needed` are ids that stay whatever their age; `owner` is the stack, whose own backups alone are removed; `release` is whom they are
    for, "" for none. `copy`: the database that a backup was restored into stays, and is the restore point from then on; else the
    one that there is stays, with its backup. `log` is told what is done while it is.
    """

    folder: Path
    rules: Rules = field(default_factory=Rules)
    needed: Collection[str] = ()
    owner: str = ""
    release: str = ""
    copy: bool = True
    clock: Clock = field(default_factory=SystemClock)
    log: Callable[[str], None] = quiet


def save(databases: Sequence[Database], how: How) -> dict[str, Backup]:
    """Save databases as of one moment, if there is one, prove each and all together, and prune; return the backups by database.

    Refused, BackupFailed or Interrupted as `systems.backup.make` and `systems.drill.drill`.
    """
    for one in databases:
        _sweep(one, how)
    made = _save(databases, how)
    _fit(list(made.values()))
    for one in databases:
        _prune(one, how)
    return made


def _fit(made: Sequence[Backup]) -> None:
    """Compare what the team wants to be the same in several; where somebody wrote in between, another figure proves nothing."""
    if (found := apart(made)) and joint([one.manifest for one in made]):
        raise BackupFailed(f"{', '.join(repr(one.manifest.database) for one in made)} were saved as of one moment, and do not agree", found)


def _sweep(database: Database, how: How) -> None:
    with held(database.store, "backup") as lock:
        sweep(lock, database.store, how.folder, owner=how.owner)


def _save(databases: Sequence[Database], how: How) -> dict[str, Backup]:
    if not databases:
        return {}
    with take([one.store for one in databases], pause=how.rules.pause, clock=how.clock) as moments:
        made = [_dump(one, taken, how) for one, taken in zip(databases, moments, strict=True)]
    return {one.name: _prove(one, id, how) for one, id in zip(databases, made, strict=True)}


def _dump(database: Database, taken: Taken, how: How) -> str:
    how.log(f"{database.name}: saving {size(taken.source.size)}")
    rules: dict[str, Any] = {name: getattr(how.rules, name) for name in ("format", "compression", "jobs", "clean", "encrypt")}
    facts: dict[str, Any] = {"revision": scheme.of(database).revision() or None, "release": how.release, "owner": how.owner}
    return backup.make(database.store, how.folder, taken=taken, first=not database.known, clock=how.clock, **rules, **facts).id


def _prove(database: Database, id: str, how: How) -> Backup:
    how.log(f"{database.name}: restoring {id} beside it, to compare")
    made = next((one for one in shelf.load(how.folder, database=database.name) if one.id == id), None)
    if made is None:
        raise BackupFailed(f"backup {id} of '{database.name}' is gone from '{how.folder}' before its drill: run `pulumi up` again")
    held = drill(database.store, made, jobs=how.rules.jobs, keep=how.copy, clock=how.clock, **_asked(database))
    return made.model_copy(update={"drilled": held})


def _asked(database: Database) -> dict[str, Any]:
    return {"checks": database.checks, "agreed": database.agreed}


def _prune(database: Database, how: How) -> None:
    """Remove what is no longer needed: old backups, and the copies of all but the newest that has one, which is the restore point."""
    with held(database.store, "backup") as lock:
        # The copies first: a backup that is gone names no copy any more.
        sweep(lock, database.store, how.folder, owner=how.owner)
        needed = {*how.needed, *([] if how.copy else _point(database, how))}
        rules: dict[str, Any] = {"needed": needed, "keep": how.rules.keep, "system": system(lock)}
        for gone in shelf.prune(how.folder, database=database.name, owner=how.owner, **rules):
            how.log(f"{database.name}: {gone} is no longer needed, and removed")


def _point(database: Database, how: How) -> list[str]:
    """Return the backup whose copy is the restore point: where no new one takes its place, it is still needed."""
    mine = shelf.load(how.folder, database=database.name, owner=how.owner)
    return [one.id for one in mine if one.drilled and one.drilled.kept][:1]


def lines(made: Sequence[Backup]) -> list[str]:
    """Say what was saved and proved, a sentence each, and whether several belong together."""
    if len(made) < 2:
        return [_line(one) for one in made]
    return [*map(_line, made), mutual([one.manifest for one in made]), *_agreed(made)]


def _agreed(made: Sequence[Backup]) -> list[str]:
    """Say what several agree in, and what says nothing as they are not of one moment."""
    names = [set(one.drilled.agreed) for one in made if one.drilled and one.drilled.agreed]
    both = sorted({name for one in names for name in one if sum(name in other for other in names) > 1})
    if found := apart(made):
        return [f"{one}: that proves nothing, as they are not of one moment" for one in found]
    return [f"their restored copies agree in {', '.join(repr(one) for one in both)}"] if both else []


def _line(made: Backup) -> str:
    assert made.drilled
    proof = f"restored and compared in {made.drilled.rto:.1f} s: {', '.join(made.drilled.compared)}"
    return f"{made.manifest.database}: {made.id}, {size(made.manifest.size)} in {made.manifest.seconds:.1f} s; {proof}"


@contextmanager
def written(folder: Path, again: str) -> Iterator[None]:
    """Say what a disk has refused, where nothing nearer has said it; `again` is the command that tries again."""
    try:
        yield
    except OSError as error:
        what = f"'{error.filename or folder}' cannot be read or written ({error.strerror})"
        raise BackupFailed(f"{what}: backups are kept in '{folder}'; mend that, then run `{again}` again") from None
