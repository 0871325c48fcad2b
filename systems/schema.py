"""The way of a database to what a release wants of it, found by looking at the database: never from what was said last time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sluice.core.database import Database
from sluice.core.errors import SluiceError
from sluice.core.migration.dirty import begun, broken, half
from sluice.core.migration.file import Migration
from sluice.core.migration.headroom import tight
from sluice.core.migration.history import PHASES, Kind, Plan
from sluice.core.migration.row import Row
from sluice.core.settings.permission import Ask
from sluice.systems import migration_facts, migrations, older, scheme
from sluice.systems.source import reading
from sluice.systems.story import Ground, explained, forward, told

__all__ = ["BARE", "PHASES", "bare", "moves", "now", "outline", "refusals", "settling", "story", "way"]

# Why a database that has statements to run is neither saved nor its migrations rehearsed: there is nothing to try them on.
BARE = "nothing to save: no table has a row, and no proven release names its revision; not rehearsed"


def way(database: Database, phase: Kind) -> Plan:
    """Return what a phase would do. A database that is ahead by expand files alone serves the older release too, and stays as it is."""
    if not database.target:
        return Plan()
    found = scheme.of(database)
    ahead, begun = found.ahead(database.target), found.begun(database.target)
    compatible = all(one.phase == "expand" for one in begun)
    if ahead and (database.downgrade == "exact" or (database.downgrade and not compatible)):
        return found.plan(target=database.target, phase=phase, lossy=database.lossy, downgrade=database.downgrade)
    if phase == "settle" and ahead and compatible:
        return Plan(notes=(_stays(database, begun),), before=found.revision(), target=database.target)
    # Backwards on the live database goes only who is allowed to: here settle says what expand says.
    return found.plan(target=database.target, phase="expand" if ahead else phase, compatible=compatible)


def refusals(databases: Sequence[Database], ask: Ask | None = None) -> list[str]:
    """Return why databases cannot go where the release wants them, each with its database's name, before anything is touched.

    `ask` writes the command that would allow a way back, where one is all that is missing.
    """
    wants = {one.name: want for one in databases if (want := older.want(one))}
    found = [f"{one.name}: {why}" for one in databases for why in (wants[one.name].reasons if one.name in wants else _refused(one))]
    return found + (older.leave(list(wants.values()), ask) if ask else [])


def outline(database: Database, estimates: Mapping[str, str] | None = None) -> list[str]:
    """Return what preview says of a database that is not there yet: every file up to its target."""
    files = scheme.of(database).until(database.target)
    return [
        f"{database.name}: '' -> '{database.target}', from the files alone: no database of this stack runs yet; `pulumi up` goes by the "
        "history in it, if it has one",
        *(f"  {line}" for line in forward(files, Ground(estimates=estimates))),
    ]


def story(database: Database, estimates: Mapping[str, str] | None = None) -> list[str]:
    """Return what preview says of a database: from where to where, and each file to run with its locks, its SQL and its way back.

    `estimates` are sentences about how long files took elsewhere, by their keys.
    """
    if (want := older.want(database)) and want.downgrade:
        return _closed(database, _ground(database, estimates))
    ways, ground = {phase: way(database, phase) for phase in PHASES}, _ground(database, estimates)
    # Of what expand leaves alone settle says why.
    notes = [note for phase, found in ways.items() if phase == "settle" or found.steps for note in found.notes]
    unsaved = [BARE] if any(found.steps for found in ways.values()) and bare(database) else []
    return [_move(database), *(f"  {line}" for line in (*told(database, ways, ground), *notes, *unsaved))]


def _closed(database: Database, ground: Ground) -> list[str]:
    """Return all that would run if people allowed it, and no plan beside it: of a way back that is allowed in part nothing runs."""
    what = "what is missing" if database.downgrade else "it"
    lines = told(database, older.ways(database), ground)
    return [_move(database), f"  only if somebody allows {what}:", *(f"    {line}" for line in lines)]


def _move(database: Database) -> str:
    return f"{database.name}: '{scheme.of(database).revision()}' -> '{database.target}'"


def _ground(database: Database, estimates: Mapping[str, str] | None = None) -> Ground:
    sizes = {table: size for table, (size, _) in migration_facts.sizes(database.store).items()}
    indexes, relations = migration_facts.indexes(database.store), migration_facts.relations(database.store)
    return Ground(sizes=sizes, indexes=indexes, estimates=estimates, relations=relations)


def now(database: Database) -> str:
    """Say what a database is after a failure: its revision, and what is there by half."""
    try:
        rows, revision = migrations.look(database.store), scheme.of(database).revision()
    except SluiceError as error:
        return f"what {database.name} is now cannot be asked ({error}); the next `pulumi up` looks"
    halves = [half(row) for row in rows if broken(row)]
    whole = f"{database.name} is whole at '{revision}'" if revision else f"{database.name} is as before its first migration"
    return f"{database.name} is at '{revision}', where {' and '.join(halves)}" if halves else whole


def settling(database: Database, release: str) -> bool:
    """Say whether a release may have begun, in this attempt or an earlier one, what the version before it does not run with."""
    if database.downgrade == "exact":
        return True
    try:
        rows = migrations.look(database.store)
    except SluiceError:
        return True
    return any(row.phase == "contract" and row.release == release and begun(row) for row in rows)


def moves(database: Database) -> bool:
    """Say whether a database has statements to run, before or after the new version has the traffic."""
    return any(way(database, phase).steps for phase in PHASES)


def unfit(database: Database) -> list[str]:
    """Return why code that has run with a database's target does not run with it any more; newer expand files alone are no reason."""
    # Leave to go back is for a release that does; this one only looks.
    plain = database.model_copy(update={"downgrade": None, "lossy": ()})
    first = way(plain, "expand")
    # Settle would only say that expand comes first.
    found = first if first.steps or first.refusals else way(plain, "settle")
    return [*found.refusals, *(f"'{step.migration.name}' is not applied" for step in found.steps)]


def bare(database: Database) -> bool:
    """Say whether there is nothing to lose yet: no table has a row, and no proven release has used it."""
    if database.known:
        return False
    with reading(database.store, "backup") as source:
        return not source.filled()


def _refused(database: Database) -> Sequence[str]:
    """Settle is asked only when expand has nothing to do: until then it would say that expand comes first."""
    if not database.target:
        return older.unnamed(database)
    first = way(database, "expand")
    found = first.refusals if first.refusals or first.steps else way(database, "settle").refusals
    return [*found, *_unsafe(database)]


def _unsafe(database: Database) -> list[str]:
    """Return the rules that pending files break so that people would notice, and the keys that are about to end."""
    if not database.target:
        return []
    files = [step.migration for phase in PHASES for step in way(database, phase).steps if step.action == "up"]
    findings = [(one.id, finding) for one in (explained(files, _ground(database))[0] if files else []) for finding in one.findings]
    broken = [f"{id}, line {finding.line}: {finding.text}" for id, finding in findings if finding.level == "error"]
    return [*broken, *(tight(migration_facts.headroom(database.store)) if files else [])]


def _stays(database: Database, begun: Sequence[Row | Migration]) -> str:
    names = ", ".join(one.name for one in begun) or "nothing"
    return f"{database.name} stays ahead of '{database.target}' by {names}, which the older version runs with"
