"""The plan: what it takes to go back to a proven release, what that loses, and why it is so or refused. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from itertools import takewhile
from typing import Any

from sluice.core.migration.file import Phase, Way, rank
from sluice.core.record import Record
from sluice.core.rollback.past import Past
from sluice.core.rollback.symptom import Scope, Severity, Symptom, widest, worst
from sluice.core.value import Value


class Action(StrEnum):
    """What is done, from the least to the most; a plan is as much as its database that takes most."""

    NOTHING = "nothing"
    CODE = "code only"
    DOWNGRADE = "code + downgrade"
    RESTORE = "restore"
    REFUSE = "refuse"


RANK = tuple(Action)


class Change(Value):
    """A migration that a database has, since `at` (seconds since the epoch). `lost` is how many rows its way back would lose, None when
    nobody has counted them; `half` says that it, or its way back, has not come to its end."""

    id: str
    name: str
    phase: Phase
    way: Way
    at: float = 0.0
    lost: int | None = None
    half: bool = False


class Saved(Value):
    """A backup on the shelf. `written` is how many rows more each table has now, those with fewer below zero: updates and rows that
    were replaced are in no count. `problems` is what is wrong with it."""

    id: str
    revision: str
    made_at: float
    verified: bool
    written: dict[str, int] = {}
    problems: list[str] = []

    @property
    def good(self) -> bool:
        """Say whether it may be relied on."""
        return self.verified and not self.problems


class Database(Value):
    """A database as it is: its revision, the migrations that it has, and its backups, newest first."""

    name: str
    revision: str
    changes: list[Change] = []
    backups: list[Saved] = []


class Step(Value):
    """What becomes of one database. `loses` are sentences."""

    database: str
    action: Action
    revision: str
    target: str
    migrations: list[str] = []
    backup: str = ""
    loses: list[str] = []
    why: str


class Plan(Value):
    """How to go back. `within`, in seconds, is the time that the severity leaves; `refusals` are all reasons of a refusal.

    `services` are the versions as they go: what runs now, and what it becomes.
    """

    action: Action
    scope: Scope
    failing: str
    target: str
    config: str | None = None
    services: dict[str, tuple[str, str]] = {}
    steps: list[Step] = []
    severity: Severity | None = None
    within: float | None = None
    reasons: list[str] = []
    refusals: list[str] = []

    @property
    def runs(self) -> bool:
        """Say whether writing config back and an update are all that it takes."""
        return self.action is Action.CODE


def plan(
    *,
    failing: str,
    live: Past | None,
    target: Past | None,
    databases: Sequence[Database] = (),
    symptoms: Sequence[Symptom] = (),
    services_only: bool = False,
    allowed: Collection[str] = (),
    unreachable: Sequence[str] = (),
    nowhere: str = "",
) -> Plan:
    """Return the plan to leave a failing release for a proven one.

    `allowed` are ids of lossy migrations whose loss is accepted; `unreachable` is what the target lacks, found out before;
    `nowhere` says why there is no target.
    """
    seen = list(symptoms)
    scope = Scope.SERVICES if services_only else widest(seen)
    severity = worst(seen)
    told: dict[str, Any] = {"scope": scope, "failing": failing, "severity": severity, "within": severity.within if severity else None}
    reasons = [one.text for one in seen]
    if scope is Scope.NOTHING:
        return Plan(**told, action=Action.NOTHING, target=failing, reasons=[*reasons, "the matrix says: fix it and try again"])
    if target is None or target.id == failing:
        why = f"'{failing}' is the release to leave: name another one" if target else nowhere
        return Plan(**told, action=Action.REFUSE, target="", reasons=reasons, refusals=[why])
    steps = [_step(one, target.record, scope, allowed) for one in databases]
    refusals = [*unreachable, *_config(target), *(f"{step.database}: {step.why}" for step in steps if step.action is Action.REFUSE)]
    action = max((step.action for step in steps), key=RANK.index, default=Action.CODE)
    return Plan(
        **told,
        action=Action.REFUSE if refusals else max(action, Action.CODE, key=RANK.index),
        target=target.id,
        config=target.config,
        services=_services(live, target),
        steps=steps,
        reasons=[*reasons, *_why(failing, live, target)],
        refusals=refusals,
    )


def _config(target: Past) -> list[str]:
    return [] if target.config else [f"'{target.id}' cannot be reached: {target.why}"]


def _services(live: Past | None, target: Past) -> dict[str, tuple[str, str]]:
    now: Mapping[str, str] = {name: built.name for name, built in live.record.services.items()} if live else {}
    then = {name: built.name for name, built in target.record.services.items()}
    return {name: (now.get(name, ""), then.get(name, "")) for name in {**now, **then}}


def _why(failing: str, live: Past | None, target: Past) -> list[str]:
    proven = f"'{target.id}' is proven (at {target.record.at.isoformat()})"
    if live and live.id == target.id:
        return [f"{proven}, and has the traffic: '{failing}' was never let in"]
    return [f"{proven}, the newest of the others" if live and live.id == failing else proven]


def then(changes: Sequence[Change], record: Record, database: str) -> str:
    """Return the revision that a database had when a release was proven: the one that it names, else by time; "" before any."""
    before = [one.id for one in changes if one.at <= record.at.timestamp()]
    return record.schema_.get(database) or max(before, key=rank, default="")


def fits(changes: Sequence[Change], revision: str) -> list[str]:
    """Return the revisions that code made for one of them runs with: that one, and those after it by expands alone."""
    ahead = sorted((one for one in changes if rank(one.id) > rank(revision)), key=lambda one: rank(one.id))
    return [revision, *(one.id for one in takewhile(lambda one: one.phase == "expand", ahead))]


def _step(database: Database, record: Record, scope: Scope, allowed: Collection[str]) -> Step:
    """Decide about one database: it stays when the older code runs with it, and else goes back in the way that loses least."""
    target = record.schema_.get(database.name, "")
    ahead = [one for one in database.changes if rank(one.id) > rank(target)] if target else []
    told: dict[str, Any] = {"database": database.name, "revision": database.revision, "target": target or database.revision}
    if scope is Scope.RESTORE:
        return _restore(database, record, told, "data are corrupt")
    if not target:
        return _unnamed(database, record, told)
    if half := [one.name for one in ahead if one.half]:
        why = f"{_names(half)} has not come to its end: finish it, or bring it back, with `pulumi up` first"
        return Step(**told, action=Action.REFUSE, why=why)
    contracts = [one.name for one in ahead if one.phase == "contract"]
    if not contracts:
        return Step(**told, action=Action.CODE, why=_stays(ahead, target))
    if scope is Scope.SERVICES:
        why = f"older code does not run with {_names(contracts)}, which must go first: leave services-only out"
        return Step(**told, action=Action.REFUSE, migrations=contracts, why=why)
    return _back(database, ahead, record, told, allowed)


def _unnamed(database: Database, record: Record, told: Mapping[str, Any]) -> Step:
    """Leave a database alone of which the release names no revision, unless what has run since may have broken its code."""
    since = [one.name for one in database.changes if one.phase == "contract" and one.at > record.at.timestamp()]
    if since:
        why = f"'{record.id}' names no revision of it, and {_names(since)} has run since: release a version that runs with that"
        return Step(**told, action=Action.REFUSE, migrations=since, why=why)
    return Step(**told, action=Action.CODE, why="the release names no revision of it: it stays as it is")


def _stays(ahead: Sequence[Change], target: str) -> str:
    if not ahead:
        return f"it is at '{target}'"
    return f"it stays ahead of '{target}' by {_names([one.name for one in ahead])}: old code runs with what an expand adds"


def _back(database: Database, ahead: Sequence[Change], record: Record, told: Mapping[str, Any], allowed: Collection[str]) -> Step:
    """Undo contracts, and what came after them, since a way back is walked in order."""
    undone = sorted(ahead, key=lambda one: rank(one.id), reverse=True)
    stuck = [one.name for one in undone if one.way == "restore-only"]
    if stuck:
        return _restore(database, record, told, f"{_names(stuck)} has no way back")
    lossy = [one for one in undone if one.way == "lossy"]
    names = [one.name for one in undone]
    loses = [_loss(one) for one in lossy]
    if refused := [one.id for one in lossy if one.id not in allowed]:
        why = f"going back loses data ({'; '.join(loses)}): accept it by name ({', '.join(refused)}), or release a revision from there on"
        return Step(**told, action=Action.REFUSE, migrations=names, loses=loses, why=why)
    return Step(**told, action=Action.DOWNGRADE, migrations=names, loses=loses, why=f"{_names(names)} can be undone, in this order")


def _loss(change: Change) -> str:
    return f"'{change.name}': {_rows(change.lost)}" if change.lost is not None else f"'{change.name}': an uncounted number of rows"


def _restore(database: Database, record: Record, told: Mapping[str, Any], why: str) -> Step:
    """Take the newest good backup that the older code runs with: it loses least."""
    revisions = fits(database.changes, then(database.changes, record, database.name))
    of = sorted((one for one in database.backups if one.revision in revisions), key=lambda one: one.made_at, reverse=True)
    found = next((one for one in of if one.good), None)
    if found is None:
        bad = [f"'{one.id}': {one.problems[0] if one.problems else 'was never restored'}" for one in of]
        return Step(
            **told, action=Action.REFUSE, why="; ".join([f"{why}, and no good backup is at {' or '.join(map(repr, revisions))}", *bad])
        )
    loses = ["everything written since the backup", *_written(found), "changed and replaced rows: uncounted"]
    why = f"{why}; backup '{found.id}' was restored once, and compared"
    return Step(**told, action=Action.RESTORE, backup=found.id, loses=loses, why=why)


def _written(backup: Saved) -> list[str]:
    more = sorted((name, count) for name, count in backup.written.items() if count)
    return [f"table {name}: {_rows(abs(count))} {'more' if count > 0 else 'fewer'} than in it" for name, count in more]


def _rows(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"


def _names(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
