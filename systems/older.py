"""Older revisions: what going back to one takes of a live database, what it would lose, and whether that is allowed."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from sluice.core.database import Database
from sluice.core.migration.dirty import begun
from sluice.core.migration.file import Migration
from sluice.core.migration.history import PHASES, Kind, Plan
from sluice.core.migration.row import Row
from sluice.core.settings.permission import Ask
from sluice.core.value import Value
from sluice.systems import migrations, scheme


class Want(Value):
    """What a database's way back still needs leave for; `reasons` alone when no leave would open it. `lossy` are 'database/revision'."""

    reasons: tuple[str, ...]
    downgrade: str = ""
    lossy: tuple[str, ...] = ()


def want(database: Database) -> Want | None:
    """Return what stands between a database and an older revision; None when it may go there, stay as it is, or does not go back."""
    newer = scheme.of(database).begun(database.target) if database.target else []
    contracts = [one for one in newer if one.phase == "contract"]
    if not newer or not (contracts or database.downgrade == "exact"):
        return None
    found = ways(database)
    if found["expand"].refusals:
        return Want(reasons=found["expand"].refusals)
    back = [step.migration for way in found.values() for step in way.steps]
    lossy = [one for one in back if one.way == "lossy" and one.id not in database.lossy]
    if database.downgrade and not lossy:
        return None
    why = _why(database, contracts, back, scheme.of(database).revision())
    return Want(
        reasons=(f"{why}; {_cost(database, back)}",),
        downgrade=database.downgrade or "needed",
        lossy=tuple(f"{database.name}/{one.id}" for one in back if one.way == "lossy"),
    )


def ways(database: Database) -> dict[Kind, Plan]:
    """Return what both phases would do if all of it were allowed."""
    found, how = scheme.of(database), database.downgrade or "needed"
    lossy = [one.id for one in found.ahead(database.target)]
    return {phase: found.plan(target=database.target, phase=phase, lossy=lossy, downgrade=how) for phase in PHASES}


def _why(database: Database, contracts: Sequence[Row | Migration], back: Sequence[Migration], before: str) -> str:
    names = " and ".join(f"'{row.name}'" for row in contracts)
    cannot = f"is at '{before}', and what runs with '{database.target}' does not run with {names}" if contracts else ""
    return cannot or f"is at '{before}', and goes back to exactly '{database.target}' ({', '.join(one.name for one in back)})"


def _cost(database: Database, back: Sequence[Migration]) -> str:
    found = migrations.losses(database.store, back)
    if not found:
        return f"the way back of {', '.join(one.name for one in back)} loses nothing"
    return "; ".join(loss(one, found[one.id]) for one in back if one.id in found)


def unnamed(database: Database) -> list[str]:
    """Return why a release must name the revision of a database that the live one has named: code from before a contract fails on it."""
    contracts = [row for row in migrations.look(database.store) if row.phase == "contract" and begun(row)] if database.known else []
    if not contracts:
        return []
    why = f"the live release names its revision, and this one does not, which may not run with '{contracts[-1].name}', a contract"
    return [f"{why}; say which it runs with: pulumi config set --path sluice:release.schema.{database.name} REVISION"]


def loss(migration: Migration, count: int | str) -> str:
    """Say what going back from a lossy migration loses."""
    if isinstance(count, str):
        return f"going back from '{migration.name}' loses data that is not counted ({count})"
    rows = f"{count} row{'s' if count != 1 else ''} by its own count ({' '.join(migration.loses.split())})"
    return f"going back from '{migration.name}' loses {rows}"


def leave(wants: Sequence[Want], asked: Ask) -> list[str]:
    """Return the line with the command that allows all of it; none when nothing that is wanted could be allowed."""
    open = [one for one in wants if one.downgrade]
    if not open or len(open) < len(wants):
        return []
    how = "exact" if any(one.downgrade == "exact" for one in open) else "needed"
    # A letter first: the CLI would make a number of digits.
    command = asked.command(how, [id for one in open for id in one.lossy], f"n{secrets.token_hex(4)}")
    return [f"nobody has allowed '{asked.release}' to go back{asked.void}; whoever does, runs: {command}"]
