"""The databases alone go back: what runs stays, so every revision has to be one that it runs with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sluice.core.record import Record
from sluice.core.rollback.block import release_id
from sluice.core.rollback.database import Action, Change, Database, Step, ahead, fits, missed, named, then
from sluice.core.rollback.past import Past
from sluice.core.rollback.step import Terms, chosen, downgrade, lossy, restore
from sluice.core.rollback.symptom import Scope


def steps(live: Past, databases: Sequence[Database], wanted: Mapping[str, str], terms: Terms) -> list[Step]:
    """Return what becomes of each database; `wanted` are revisions by database, and the others stay at what the live release names.

    One permission is for all of a release's databases: where one gives an expand back, all do what they are ahead by.
    """
    exact = any(one.phase == "expand" for each in databases for one in _undone(each, _goal(each, live.record, wanted), terms))
    return [_step(one, live.record, _goal(one, live.record, wanted), terms.model_copy(update={"exact": exact})) for one in databases]


def unknown(databases: Sequence[Database], wanted: Mapping[str, str]) -> list[str]:
    """Return which databases and revisions there are not."""
    known = {one.name: [change.id for change in one.changes] for one in databases}
    strange = [
        f"--to-revision {name}={id}: known databases are {', '.join(known) or 'none'}" for name, id in wanted.items() if name not in known
    ]
    return strange + [
        f"--to-revision {name}={id}: '{name}' has {', '.join(known[name]) or 'no migration'}"
        for name, id in wanted.items()
        if name in known and id not in known[name]
    ]


def _goal(database: Database, record: Record, wanted: Mapping[str, str]) -> str:
    return wanted.get(database.name) or record.schema_.get(database.name, "")


def _undone(database: Database, goal: str, terms: Terms) -> list[Change]:
    """Return what a database is ahead of its goal by, the last one first; of one that is restored, nothing is undone."""
    if not goal or terms.scope is Scope.RESTORE or any(one.id in terms.backups for one in database.backups):
        return []
    return ahead(database.changes, goal)[::-1]


def _step(database: Database, record: Record, goal: str, terms: Terms) -> Step:
    told: dict[str, Any] = {"database": database.name, "revision": database.revision, "target": goal or database.revision}
    if wanted := [one for one in database.backups if one.id in terms.backups]:
        return chosen(database, record, told, wanted[0], terms)
    if terms.scope is Scope.RESTORE:
        return restore(database, record, told, "data are corrupt", refuse=True)
    undone = _undone(database, goal, terms)
    if not undone:
        return Step(**told, action=Action.CODE, why=f"it is at '{database.revision}', and stays")
    if why := _refused(database, record, goal, undone):
        return Step(**told, action=Action.REFUSE, migrations=[one.name for one in undone], why=why)
    return lossy(undone, database, told, terms) or downgrade(undone, told, terms.exact)


def _refused(database: Database, record: Record, goal: str, undone: Sequence[Change]) -> str:
    """Say why a database cannot go to a revision under the code that runs."""
    if half := [one.name for one in undone if one.half]:
        return f"{named(half)} has not come to its end: finish it, or bring it back, with `pulumi up` first"
    own = then(database.changes, record, database.name)
    if needed := [one.name for one in missed(database.changes, own, goal)]:
        return (
            f"'{record.id}', which runs, is made for '{own}' and may need {named(needed)}: leave db-only out, or go back to '{own}' at most"
        )
    if goal in [one.id for one in ahead(database.changes, own)] and goal not in fits(database.changes, own):
        return f"'{record.id}', which runs, is made for '{own}', and does not run with '{goal}'"
    if stuck := [one.name for one in undone if one.way == "restore-only"]:
        return f"{named(stuck)} has no way back: restore a backup made before it, with --to-backup"
    return _order(undone)


def _order(undone: Sequence[Change]) -> str:
    """Say why contracts and expands that alternate take two releases."""
    seen: Change | None = None
    for one in undone:
        if one.phase == "contract" and seen:
            return f"'{one.name}' goes back before '{seen.name}', which is newer: go back to '{one.id}' first, and from there on"
        seen = one if one.phase == "expand" else seen
    return ""


def edits(steps: Sequence[Step]) -> dict[str, str]:
    """Return what changes in the live release's block, by path: revisions, and its kind, since it is another release then. What a restore
    brings the live release runs with, as it is."""
    moved = {f"schema.{one.database}": one.target for one in steps if one.action is Action.DOWNGRADE}
    return {"kind": "configuration", **moved} if moved else {}


def id(block: str, edits: Mapping[str, str]) -> str | None:
    """Return the id of a release's block (JSON text, readable) with edits; None when it is no release, or no map that can be edited."""
    data = json.loads(block)
    if not isinstance(data, dict):
        return None
    for path, value in edits.items():
        head, _, tail = path.partition(".")
        if tail:
            data.setdefault(head, {})[tail] = value
        else:
            data[head] = value
    return release_id(json.dumps(data))
