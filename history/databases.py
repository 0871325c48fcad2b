"""Databases as they are, for a plan: their migrations, what going back would lose, and the backups that there are.

The drivers that this takes are imported by nobody else in `history`: a stack without a database does not wait for them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from sluice.core.backup.manifest import Backup
from sluice.core.errors import Refused
from sluice.core.migration import dirty
from sluice.core.migration.history import revision
from sluice.core.migration.kept import line
from sluice.core.migration.row import Row
from sluice.core.record import Record
from sluice.core.rollback.database import Change, Database, Saved, ahead, fits, then
from sluice.core.rollback.past import Past
from sluice.core.store import Store
from sluice.history.stack import Stack
from sluice.systems import alembic_tree, migration_facts, migrations, recover_way, shelf


def look(stack: Stack, target: Past, *, restore: bool = False, named: Collection[str] = ()) -> list[Database]:
    """Return every database as it is, for the code of a release. Backups are looked at only where one may be needed (`restore`:
    everywhere; `named`: those ids): it takes a while."""
    return [_database(stack, name, store, target.record, restore, named) for name, store in stack.stores.items()]


def _database(stack: Stack, name: str, store: Store, target: Record, restore: bool, named: Collection[str]) -> Database:
    rows = [row for row in migrations.look(store) if dirty.begun(row)]
    tree = any(row.alembic for row in rows)
    found = _line(store, rows, target.schema_.get(name, "")) if tree else rows
    if found is None:
        return _untold(stack, name, target)
    changes = _placed(found) if tree else _changes(store, rows)
    wanted = then(changes, target, name)
    needed = restore or any(one.way == "restore-only" for one in ahead(changes, wanted))
    saved = list(_saved(stack, store, fits(changes, wanted) if needed else (), named)) if stack.shelf and (needed or named) else []
    now = next((row.id for row in reversed(found) if dirty.stands(row)), "") if tree else revision(rows)
    return Database(name=name, revision=now, changes=changes, backups=saved)


def _line(store: Store, rows: Sequence[Row], target: str) -> list[Row] | None:
    """Return the rows of a tree in their order; None where they do not tell it, or somebody is seen to have migrated by hand."""
    found, heads = line(rows, target), alembic_tree.usual(store)
    standing = [row.id for row in found or () if dirty.stands(row)]
    # A table of that name may be of another tree.
    other = heads != standing[-1:] and bool({row.id for row in rows}.intersection(heads))
    return None if other else found


def _placed(rows: Sequence[Row]) -> list[Change]:
    """Say where each is in its tree. What going back loses is counted by the tree itself."""
    return [_change(row, None).model_copy(update={"place": place}) for place, row in enumerate(rows, 1)]


def _untold(stack: Stack, name: str, target: Record) -> Database:
    """Return a database whose history does not tell the order of its revisions: it stays where both releases want it."""
    named = {record.schema_.get(name) for record in (stack.live, target) if record}
    if len(named) > 1:
        why = f"'{name}' has Alembic revisions, and '{target.id}' had another one than runs now: what lies between them, the program knows"
        raise Refused([f"{why}: write its sluice:release back, and `pulumi preview` says it"])
    return Database(name=name, revision=target.schema_.get(name) or "")


def _changes(store: Store, rows: Sequence[Row]) -> list[Change]:
    lossy = [row.migration for row in rows if row.way == "lossy"]
    lost = migrations.losses(store, lossy) if lossy else {}
    return [_change(row, lost.get(row.id)) for row in rows]


def _change(row: Row, lost: int | str | None) -> Change:
    # One that has not ended is as new as can be.
    at = row.ended_at.timestamp() if row.ended_at else math.inf
    return Change(
        id=row.id,
        name=row.name,
        phase=row.phase,
        way=row.way,
        at=at,
        lost=lost if isinstance(lost, int) else None,
        half=row.state != "applied",
        took=row.seconds,
    )


def _saved(stack: Stack, store: Store, wanted: Sequence[str], named: Collection[str]) -> Iterator[Saved]:
    """Yield backups, newest first, and of those at a wanted revision none beyond the first good one: each is read to its end."""
    good = False
    held = shelf.load(Path(stack.shelf or ""), database=store.dbname)
    found = [one for one in held if one.id in named or (one.manifest.revision or "") in wanted]
    now, system = (migration_facts.counts(store), migration_facts.system(store)) if found else ({}, "")
    for one in found:
        if one.id in named or not good:
            saved = _one(store, one, now, system)
            good = good or (saved.good and saved.revision in wanted)
            yield saved


def _one(store: Store, backup: Backup, now: dict[str, int], system: str) -> Saved:
    then = backup.manifest.rows
    foreign = [] if backup.manifest.system == system else [f"is from system {backup.manifest.system}, and the server is system {system}"]
    problems = [*foreign, *shelf.check(store, backup)]
    return Saved(
        id=backup.id,
        revision=backup.manifest.revision or "",
        made_at=backup.manifest.made_at,
        verified=backup.verified,
        written={table: now.get(table, 0) - then.get(table, 0) for table in {**then, **now}},
        problems=problems,
        spoiled=[] if problems else recover_way.strange(store, backup),
        took=backup.drilled.rto if backup.drilled else None,
    )
