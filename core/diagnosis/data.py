"""What is in the databases of a stack and beside them: migrations that did not end, copies that were left, backups that there are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from sluice.core.backup.manifest import NAME, Backup, scratch, trial
from sluice.core.diagnosis.finding import Finding, State, dropping, fine, psql, size
from sluice.core.migration.dirty import back, broken, half, resume
from sluice.core.migration.row import Row
from sluice.core.restore.order import READONLY, Aside, Restore
from sluice.core.settings.duration import text as span
from sluice.core.store import Store

AREA = "data"
# What a drill, a rehearsal and a restore call their databases (core.backup.manifest, core.restore.order).
OURS = re.compile(r"(.*)((?:_drill_\d{8}t\d{6}z[0-9a-f]{4}(?:_trial)?|_aside_\d{8}t\d{6}z[0-9a-f]{4}))")
# A name of this many bytes may have been cut in the middle of a character (core.backup.manifest.NAME, and up to three bytes less).
CUT = NAME - 3
# After a week nobody goes back to a database that was put aside, and it takes as much room as the live one.
WEEK = 7 * 86400.0
UP = "pulumi up"


def migrations(store: Store, rows: Sequence[Row], *, revision: str, wanted: str, busy: bool) -> list[Finding]:
    """Judge a database's migrations: what did not end, and whether it is at the revision `wanted` ("" where config names none).

    `busy`: a step holds its lock, so that what is under way is somebody's work.
    """
    left = [_row(store, row, busy=busy) for row in rows if row.state != "applied"]
    what = f"migrations of '{store.dbname}'"
    if not wanted or revision == wanted:
        return left or [fine(AREA, what, f"at '{revision}', {len(rows)} known, none half done" if revision else "none")]
    seen = f"at '{revision}'" if revision else "none has run"
    told = {
        "seen": seen,
        "expected": f"'{wanted}', as config has it",
        "cause": "what lies between is pending",
        "next": "pulumi preview --diff",
    }
    return [*left, Finding(area=AREA, what=what, state=State.WARNING, **told)]


def _row(store: Store, row: Row, *, busy: bool) -> Finding:
    what = f"migration '{row.name}' of '{store.dbname}'"
    if busy and row.state in ("running", "reverting"):
        return fine(AREA, what, f"{row.state} since {row.begun_at:%Y-%m-%d %H:%M:%S %Z}" if row.begun_at else row.state)
    said = f"it failed: {row.error}" if row.error else "its deployer died"
    if not broken(row):
        seen = f"{row.state}, and nothing of it is there"
        return Finding(area=AREA, what=what, state=State.WARNING, seen=seen, expected="applied", cause=said, next=UP)
    doubt = _doubt(row)
    look = psql(store, f"select id, state, done, total, doing, error from sluice_history.migration where id = '{row.id}'")
    told = {
        "seen": half(row),
        "expected": "all of it or nothing",
        "cause": f"{said}; {doubt}" if doubt else said,
        "next": look if doubt else UP,
    }
    return Finding(area=AREA, what=what, state=State.PROBLEM, **told)


def _doubt(row: Row) -> str:
    """Return why nobody can go on by himself, "" when the next update does."""
    if row.alembic:
        return ""
    return (back(row) if row.state == "reverting" else resume(row, row.migration))[1]


def beside(
    store: Store, databases: Sequence[str], names: Mapping[str, int], backups: Sequence[Backup], asides: Sequence[Aside], now: float
) -> list[Finding]:
    """Judge what drills, rehearsals and restores have made beside a stack's `databases`; `names` are all of the server, with their bytes.

    `store` is any database of the server; `backups` and `asides` are those of all of the stack's databases, newest first.
    """
    points = _points(backups)
    known = {one.name: one for one in asides}
    return [_beside(store, name, names[name], points, known, now) for name in sorted(names) if _ours(name, databases)]


def _ours(name: str, databases: Sequence[str]) -> bool:
    """Say whether a name was made from one of these: a long database's own name is cut in it. Another stack's are left alone."""
    made = OURS.fullmatch(name)
    return made is not None and any(made[1] == one or (len(name.encode()) >= CUT and one.startswith(made[1])) for one in databases)


def _points(backups: Sequence[Backup]) -> set[str]:
    """Return the copies that are restore points: of each database that of the newest backup that was restored and kept."""
    newest: dict[str, str] = {}
    for one in backups:
        if one.drilled and one.drilled.kept:
            newest.setdefault(one.manifest.database, scratch(one.manifest.database, one.id))
    return set(newest.values())


def _beside(store: Store, name: str, bytes: int, points: Collection[str], asides: Mapping[str, Aside], now: float) -> Finding:
    what = f"database '{name}'"
    if name in points:
        return fine(AREA, what, f"the restore point, {size(bytes)}")
    if aside := asides.get(name):
        seen = f"put aside from '{aside.database}' by a restore, {size(bytes)}, {span(round(max(0.0, now - aside.since)))} ago"
        cause = "it is kept until somebody drops it"
        old = now - aside.since > WEEK
        return Finding(area=AREA, what=what, state=State.WARNING if old else State.OK, seen=seen, cause=cause, next=dropping(store, name))
    maker = "a rehearsal" if name.endswith(trial("")) else "a restore" if "_aside_" in name else "a drill"
    told = {
        "seen": f"left over, {size(bytes)}",
        "expected": "not there",
        "cause": f"the deployer of {maker} was killed",
        "next": dropping(store, name),
    }
    return Finding(area=AREA, what=what, state=State.WARNING, **told)


def writes(
    store: Store, databases: Sequence[str], closed: Collection[str], restores: Sequence[Restore], busy: Collection[str]
) -> list[Finding]:
    """Judge whether a stack's databases take writes: those in `closed` do not, by a setting of theirs, which a restore that was begun may
    have left; `busy` are those that a step is at work on."""
    begun = {one.database: one for one in restores}
    return [_writes(store, name, name in closed, begun.get(name), name in busy) for name in databases if name in closed or name in begun]


def _writes(store: Store, name: str, closed: bool, restore: Restore | None, busy: bool) -> Finding:
    what, seen = f"writes to '{name}'", "refused" if closed else "taken"
    if restore is None:
        cause, mend = "a person has set it: no restore is on its way", f'alter database "{name}" reset {READONLY}'
        # In the database itself that would be refused, too.
        told = {"seen": f"refused, by {READONLY}", "expected": "taken", "cause": cause, "next": psql(store.at("postgres"), mend)}
        return Finding(area=AREA, what=what, state=State.WARNING, **told)
    seen = f"{seen}, while '{name}' goes back to '{restore.backup}' ('{restore.nonce}')"
    if busy:
        return fine(AREA, what, seen)
    cause = "its deployer died; the next update goes on with it, or puts back what it has changed where config no longer asks for it"
    told = {"seen": seen, "expected": "a restore that ends", "cause": cause, "next": UP}
    return Finding(area=AREA, what=what, state=State.PROBLEM if closed else State.WARNING, **told)


def backups(databases: Sequence[str], found: Sequence[Backup], broken: Sequence[str], folder: str, now: float) -> list[Finding]:
    """Judge what is on the shelf: of each database the newest backup that was restored and compared, and what cannot be read."""
    newest = {name: next((one for one in found if one.verified and one.manifest.database == name), None) for name in databases}
    torn = [
        Finding(area=AREA, what="backup", state=State.WARNING, seen=why, expected="a manifest", next=f"ls -la {shlex.quote(folder)}/*")
        for why in broken
    ]
    return [*(_newest(name, one, now) for name, one in newest.items()), *torn]


def _newest(name: str, one: Backup | None, now: float) -> Finding:
    what = f"backup of '{name}'"
    if one is None:
        cause = "no release has had statements for it yet; while no table of it has a row, there is nothing to save"
        told = {
            "seen": "none that was restored and compared",
            "expected": "one",
            "cause": cause,
            "next": shlex.join(["sluice", "backup", name]),
        }
        return Finding(area=AREA, what=what, state=State.WARNING, **told)
    at = datetime.fromtimestamp(one.manifest.made_at, UTC)
    return fine(AREA, what, f"{one.id}, {size(one.manifest.size)}, restored and compared, {span(max(0, round(now - at.timestamp())))} old")
