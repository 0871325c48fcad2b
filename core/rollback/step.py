"""What becomes of one database when code goes back: it stays where the older code runs with it, and else loses as little as can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from sluice.core.record import Record
from sluice.core.rollback.database import Action, Change, Database, Saved, Step, ahead, fits, loss, named, then, took, written
from sluice.core.rollback.symptom import Scope
from sluice.core.value import Value


class Terms(Value):
    """What people say of the databases: `allowed` are lossy migrations whose loss is accepted, as 'id' or 'database/id'; `exact`: the
    schema becomes the older one, expands too; `backups` are ids to restore."""

    scope: Scope = Scope.FULL
    allowed: list[str] = []
    exact: bool = False
    backups: list[str] = []

    def accepts(self, database: str, id: str) -> bool:
        """Say whether a loss is accepted."""
        return id in self.allowed or f"{database}/{id}" in self.allowed


def step(database: Database, record: Record, terms: Terms) -> Step:
    """Decide about one database, for the code of `record`."""
    target = record.schema_.get(database.name, "")
    told: dict[str, Any] = {"database": database.name, "revision": database.revision, "target": target or database.revision}
    if wanted := [one for one in database.backups if one.id in terms.backups]:
        return chosen(database, record, told, wanted[0], terms)
    if terms.scope is Scope.RESTORE:
        return restore(database, record, told, "data are corrupt", refuse=True)
    if not target:
        return _unnamed(database, record, told)
    return _toward(database, record, told, terms)


def _toward(database: Database, record: Record, told: Mapping[str, Any], terms: Terms) -> Step:
    """Decide by what the database is ahead of the revision that the code was made for."""
    newer = ahead(database.changes, told["target"])
    if half := [one.name for one in newer if one.half]:
        why = f"{named(half)} has not come to its end: finish it, or bring it back, with `pulumi up` first"
        return Step(**told, action=Action.REFUSE, why=why)
    contracts = [one.name for one in newer if one.phase == "contract"]
    if contracts and terms.scope is Scope.SERVICES:
        why = f"older code does not run with {named(contracts)}, which must go first: leave services-only out"
        return Step(**told, action=Action.REFUSE, migrations=contracts, why=why)
    if not contracts and not (terms.exact and newer):
        return Step(**told, action=Action.CODE, why=_stays(newer, told["target"]))
    return _back(database, newer, record, told, terms)


def _unnamed(database: Database, record: Record, told: Mapping[str, Any]) -> Step:
    """Leave a database alone of which the release names no revision, unless what has run since may have broken its code."""
    since = [one.name for one in database.changes if one.phase == "contract" and one.at > record.at.timestamp()]
    if since:
        why = f"'{record.id}' names no revision of it, and {named(since)} has run since: release a version that runs with that"
        return Step(**told, action=Action.REFUSE, migrations=since, why=why)
    return Step(**told, action=Action.CODE, why="the release names no revision of it: it stays as it is")


def _stays(newer: Sequence[Change], target: str) -> str:
    if not newer:
        return f"it is at '{target}'"
    return f"it stays ahead of '{target}' by {named([one.name for one in newer])}: old code runs with what an expand adds"


def _back(database: Database, newer: Sequence[Change], record: Record, told: Mapping[str, Any], terms: Terms) -> Step:
    """Undo the contracts above all else before the older code comes, and, if that is asked for, expands once the newer code is gone."""
    undone, kept = undo(newer, exact=terms.exact)
    stuck = [one for one in undone if one.way == "restore-only"]
    if names := [one.name for one in stuck if one.phase == "contract"]:
        return restore(database, record, told, f"{named(names)} has no way back")
    if buried := next((one for one in kept if one.phase == "contract"), None):
        return Step(**told, action=Action.REFUSE, migrations=[buried.name], why=_buried(buried, kept[0]))
    if stuck:
        return Step(**told, action=Action.REFUSE, migrations=[one.name for one in stuck], why=_stuck([one.name for one in stuck]))
    return lossy(undone, database, told, terms) or downgrade(undone, told, terms.exact)


def undo(newer: Sequence[Change], *, exact: bool) -> tuple[list[Change], list[Change]]:
    """Return what is undone, in this order, and what stays or is in the way: a contract below an expand takes two releases."""
    begun = list(reversed(newer))
    contracts = list(takewhile(lambda one: one.phase == "contract", begun))
    below = begun[len(contracts) :]
    buried = any(one.phase == "contract" for one in below)
    return (begun, below if buried else []) if exact or buried else (contracts, below)


def _stuck(names: Sequence[str]) -> str:
    return f"{named(names)} has no way back, and older code runs with it: leave exact out, and it stays"


def _buried(buried: Change, above: Change) -> str:
    first = f"'{buried.name}' goes back before the older code comes, and '{above.name}' after it only once the newer code is gone"
    return f"{first}: go back to a release at '{buried.id}' first, with --to and --exact, and from there on"


def lossy(undone: Sequence[Change], database: Database, told: Mapping[str, Any], terms: Terms) -> Step | None:
    """Refuse what loses rows until that is accepted by name."""
    losing = [one for one in undone if one.way == "lossy"]
    refused = [one.id for one in losing if not terms.accepts(database.name, one.id)]
    if not refused:
        return None
    loses = [loss(one) for one in losing]
    why = f"going back loses data ({'; '.join(loses)}): accept it by name ({', '.join(refused)}), or release a revision from there on"
    return Step(**told, action=Action.REFUSE, migrations=[one.name for one in undone], loses=loses, why=why)


def downgrade(undone: Sequence[Change], told: Mapping[str, Any], exact: bool) -> Step:
    """Return the way back of migrations, each by its own down file."""
    losing = [one for one in undone if one.way == "lossy"]
    return Step(
        **told,
        action=Action.DOWNGRADE,
        migrations=[one.name for one in undone],
        lossy=[one.id for one in losing],
        exact=exact,
        loses=[loss(one) for one in losing],
        seconds=took(undone),
        why=_around(undone),
    )


def _around(undone: Sequence[Change]) -> str:
    first, last = ([one.name for one in undone if one.phase == phase] for phase in ("contract", "expand"))
    before = [f"{named(first)} is undone before the older code comes"] if first else []
    return "; ".join([*before, *([f"{named(last)} once the newer code is gone"] if last else [])])


def restore(database: Database, record: Record, told: Mapping[str, Any], why: str, *, refuse: bool = False) -> Step:
    """Take the newest good backup that the code runs with: it loses least."""
    revisions = fits(database.changes, then(database.changes, record, database.name))
    of = sorted((one for one in database.backups if one.revision in revisions), key=lambda one: one.made_at, reverse=True)
    found = next((one for one in of if one.good), None)
    if found is None:
        at = " or ".join(f"'{one}'" if one else "no revision" for one in revisions)
        lacks = f"{why}, and no good backup is at {at} (`sluice backup --list` has all)"
        return Step(**told, action=Action.REFUSE, why="; ".join([lacks, *(one.bad for one in of)]))
    return _restored(told, found, f"{why}; backup '{found.id}' was restored once, and compared", refuse)


def chosen(database: Database, record: Record, told: Mapping[str, Any], backup: Saved, terms: Terms) -> Step:
    """Take the backup that was named, if it is good, and code runs with it."""
    own = then(database.changes, record, database.name)
    if not backup.good:
        return Step(**told, action=Action.REFUSE, backup=backup.id, why=backup.bad)
    if backup.revision not in fits(database.changes, own):
        why = f"backup '{backup.id}' is at '{backup.revision}', and '{record.id}' runs with '{own}': name a release of that time with --to"
        return Step(**told, action=Action.REFUSE, backup=backup.id, why=why)
    return _restored(told, backup, f"backup '{backup.id}' was asked for", terms.scope is Scope.RESTORE)


def _restored(told: Mapping[str, Any], backup: Saved, why: str, refuse: bool) -> Step:
    if backup.spoiled:
        # An older backup would lose more, and this one is good.
        return Step(**told, action=Action.REFUSE, backup=backup.id, why="; ".join(backup.spoiled))
    told = {**told, "target": backup.revision or told["target"], "seconds": backup.took}
    return Step(**told, action=Action.RESTORE, backup=backup.id, refuse=refuse, loses=written(backup), why=why)
