"""Restores that people have asked a release for: which are still to be done, what speaks against them, and when their turn is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sluice.core.backup.manifest import Backup
from sluice.core.clock import Clock
from sluice.core.database import Database
from sluice.core.errors import Refused, SluiceError
from sluice.core.restore.fit import ahead, unfit
from sluice.core.restore.order import Aside, Order, Restored
from sluice.core.settings.restore import Instruction
from sluice.systems import older, recover, schema, scheme, shelf
from sluice.systems.lock import maintained
from sluice.systems.outlook import means, outlook, since
from sluice.systems.recover_undo import STEP, Log
from sluice.systems.recover_way import Way, against, told


@dataclass(frozen=True)
class Asked:
    """One instruction, and what it speaks of: a database, and a backup of it or what was put aside."""

    one: Instruction
    database: Database
    backup: Backup | None = None
    aside: Aside | None = None

    @property
    def order(self) -> Order:
        """Return it as the server knows it."""
        return order(self.one)

    @property
    def revision(self) -> str | None:
        """Return what the database's schema is at afterwards; None when nobody knows."""
        if self.backup:
            return self.backup.manifest.revision or ""
        return self.aside.revision if self.aside else None

    def run(self, *, jobs: int, clock: Clock, log: Log) -> Restored:
        """Carry it out."""
        store, now = self.database.store, current(self.database)
        if self.backup is None:
            return recover.back(store, self.order, revision=now, clock=clock, log=log)
        return recover.from_backup(
            store,
            self.backup,
            self.order,
            checks=self.database.checks,
            jobs=jobs,
            refuse=self.one.refuse,
            revision=now,
            clock=clock,
            log=log,
        )


def order(one: Instruction) -> Order:
    """Return an instruction as the server knows it."""
    return Order(nonce=one.nonce, backup=one.aside or one.backup or "", release=one.release)


def current(database: Database) -> str | None:
    """Return the revision that a database has now, None when it cannot be asked, as may be on a bad day."""
    try:
        return scheme.of(database).revision()
    except SluiceError:
        return None


def read(instructions: Sequence[Instruction], databases: Mapping[str, Database], folder: Path) -> tuple[list[Asked], list[str]]:
    """Return the instructions that were not carried out yet, and why some of them can never be."""
    asked: list[Asked] = []
    reasons: list[str] = []
    for one in instructions:
        try:
            asked += _read(one, databases, folder)
        except Refused as error:
            reasons += error.reasons
    return asked, reasons + _twice(asked)


def _read(one: Instruction, databases: Mapping[str, Database], folder: Path) -> list[Asked]:
    if one.database not in databases:
        known = ", ".join(f"'{name}'" for name in databases)
        raise Refused([f"'{one.database}' is to be restored, and this release has {known or 'no database'}"])
    database = databases[one.database]
    if recover.done(database.store, order(one)):
        return []
    if one.aside:
        return [Asked(one, database, aside=recover.chosen(database.store, recover.asides(database.store), one.aside))]
    return [Asked(one, database, backup=_backup(one, folder))]


def _backup(one: Instruction, folder: Path) -> Backup:
    held = shelf.load(folder, database=one.database)
    found = next((backup for backup in held if backup.id == one.backup), None)
    if found is None:
        ids = ", ".join(backup.id for backup in held if backup.verified)
        raise Refused([f"'{one.database}' is to be restored from '{one.backup}', and '{folder}' has {ids or 'no verified backup of it'}"])
    return found


def _twice(asked: Sequence[Asked]) -> list[str]:
    counts = Counter(one.database.name for one in asked)
    return [f"'{name}' is to be restored {count} times by one release: leave one of them" for name, count in counts.items() if count > 1]


def refusals(asked: Sequence[Asked], *, settled: bool) -> list[str]:
    """Return all that speaks against them, before anything is touched; `settled`: the release is live, and migrates nothing."""
    return [why for one in asked for why in (*_scene(one), *_schema(one, settled), *_downgrade(one))]


def _scene(asked: Asked) -> list[str]:
    if asked.backup is None:
        return []
    store = asked.database.store
    way = Way(store, asked.backup, asked.order, refuse=asked.one.refuse)
    with told(store), maintained(store, STEP) as connection:
        return against(connection, way)


def _schema(asked: Asked, settled: bool) -> list[str]:
    """Refuse what the release's code cannot run with. A release that names no revision of a database says nothing about it."""
    database, revision = asked.database, asked.revision
    if not database.target:
        return []
    if revision is None:
        return [f"{database.name}: nobody knows what '{asked.one.aside}' is at: restore a backup, or swap it by hand"]
    found = scheme.of(database)
    ids = {one.id for one in found.all()}
    there = found.until(revision) if revision in ids else []
    why = unfit(revision, database.target, known=ids, wanted=found.until(database.target), there=there, settled=settled)
    return [f"{database.name} {why}"] if why else []


def _downgrade(asked: Asked) -> list[str]:
    """What a restore brings back no way back is walked from: two changes at once, of which neither was ever tried after the other."""
    database, revision = asked.database, asked.revision
    newer = bool(database.target and revision) and ahead(revision or "", scheme.of(database).until(database.target))
    if not database.lossy and not (database.downgrade and newer):
        return []
    why = f"{database.name} is restored, and a permission lets it go back from migrations too: restore or downgrade, never both"
    return [f"{why}; take one of them out of sluice:rollout"]


def later(asked: Asked, *, moves: bool, settled: bool) -> bool:
    """Say whether a restore waits until the release has the traffic: what is live would go on writing into what is restored.

    A `settled` release has it. Another one cannot wait where its code does not run with the database as it is, or needs more than the
    restore brings; and need not where no version `moves`. A database that cannot be asked cannot wait either.
    """
    database = asked.database
    if settled:
        return True
    if not moves or (database.target and asked.revision != database.target):
        return False
    try:
        return not schema.unfit(database) if database.target else not older.unnamed(database)
    except SluiceError:
        return False


def story(asked: Asked, *, moves: bool, settled: bool) -> list[str]:
    """Return what preview says of a restore: when, in which way, and what it costs; nothing is touched."""
    store = asked.database.store
    lines = [_turn(asked, moves, settled)]
    if asked.backup:
        return [*lines, *(f"  {line}" for line in (*outlook(store, asked.backup), means(store, asked.backup)))]
    assert asked.aside
    lost = [f"  {line}" for line in since(store, recover.current(store))]
    return [*lines, f"  {asked.aside.line}; it takes the place at once", *lost]


def _turn(asked: Asked, moves: bool, settled: bool) -> str:
    what = f"{asked.database.name} goes back ('{asked.one.nonce}')"
    if settled:
        return f"{what} at once: nothing else of this release runs"
    if later(asked, moves=moves, settled=settled):
        return f"{what} once this release has the traffic: what is live now would write into what is restored"
    if moves:
        why = "its code may not run with the database as it is now; until it has the traffic, what is live runs with what is restored"
        return f"{what} before this release starts: {why}"
    return f"{what} first: no version changes"
