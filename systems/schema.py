"""The way of a database to what a release wants of it, found by looking at the database: never from what was said last time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sluice.core.database import Database
from sluice.core.migration.explain import Explanation, explain
from sluice.core.migration.file import Migration, rank
from sluice.core.migration.headroom import tight
from sluice.core.migration.history import Kind, Plan, plan, revision
from sluice.core.migration.row import Row
from sluice.systems import migration_facts, migrations, squawk
from sluice.systems.source import reading

PHASES: tuple[Kind, Kind] = ("expand", "settle")


def way(database: Database, phase: Kind) -> Plan:
    """Return what a phase would do. A database that is ahead by expand files alone serves the older release too, and stays as it is."""
    if not database.target:
        return Plan()
    files, rows = migrations.read(Path(database.folder)), migrations.look(database.store)
    ahead = _ahead(rows, database.target)
    compatible = all(row.phase == "expand" for row in ahead)
    if phase == "settle" and ahead and compatible:
        return Plan(notes=(_stays(database, ahead),), before=revision(rows), target=database.target)
    # Backwards on the live database goes only who asks for it as such: here settle says what expand says.
    return plan(files, rows, target=database.target, phase="expand" if ahead else phase, compatible=compatible)


def refusals(databases: Sequence[Database]) -> list[str]:
    """Return why databases cannot go where the release wants them, each with its database's name, before anything is touched."""
    return [f"{one.name}: {why}" for one in databases for why in _refused(one)]


def outline(folder: str, target: str, estimates: Mapping[str, str]) -> list[str]:
    """Return what preview says of a database that is not there yet: every file up to its target."""
    files = [one for one in migrations.read(Path(folder)) if rank(one.id) <= rank(target)]
    alarms, note = squawk.lint(files)
    return [
        f"'' -> '{target}', from the files alone: there is no database to look at yet",
        *(f"  {line}" for one in explain(files, {}, alarms=alarms, estimates=estimates) for line in one.lines),
        *([f"  {note}"] if note else []),
    ]


def story(database: Database, estimates: Mapping[str, str]) -> list[str]:
    """Return what preview says of a database: from where to where, and each pending file with its locks, sizes and findings.

    `estimates` are sentences about how long files took elsewhere, by name.
    """
    steps = [step for phase in PHASES for step in way(database, phase).steps]
    before = revision(migrations.look(database.store))
    files = [step.migration for step in steps if step.action == "up"]
    explained, note = _explained(database, files, estimates)
    lines = [f"  {line}" for one in explained for line in one.lines] + ([f"  {note}"] if note else [])
    notes = [f"  {note}" for phase in PHASES for note in way(database, phase).notes]
    return [f"{database.name}: '{before}' -> '{database.target}'", *lines, *notes]


def _explained(database: Database, files: Sequence[Migration], estimates: Mapping[str, str] | None = None) -> tuple[list[Explanation], str]:
    """Explain files by the database as it is, squawk's findings among ours, or the sentence why they are missing."""
    if not files:
        return [], ""
    sizes = {table: size for table, (size, _) in migration_facts.sizes(database.store).items()}
    alarms, note = squawk.lint(files)
    return explain(files, sizes, indexes=migration_facts.indexes(database.store), alarms=alarms, estimates=estimates), note


def moves(database: Database) -> bool:
    """Say whether a database has statements to run, before or after the new version has the traffic."""
    return any(way(database, phase).steps for phase in PHASES)


def bare(database: Database) -> bool:
    """Say whether there is nothing to lose yet: no table has a row, and no proven release has used it."""
    if database.known:
        return False
    with reading(database.store, "backup") as source:
        return not source.filled()


def _refused(database: Database) -> Sequence[str]:
    """Settle is asked only when expand has nothing to do: until then it would say that expand comes first."""
    first = way(database, "expand")
    found = first.refusals if first.refusals or first.steps else way(database, "settle").refusals
    return [*found, *_unsafe(database)]


def _unsafe(database: Database) -> list[str]:
    """Return the rules that pending files break so that people would notice, and the keys that are about to end."""
    if not database.target:
        return []
    files = [step.migration for phase in PHASES for step in way(database, phase).steps if step.action == "up"]
    findings = [(one.id, finding) for one in _explained(database, files)[0] for finding in one.findings]
    broken = [f"{id}, line {finding.line}: {finding.text}" for id, finding in findings if finding.level == "error"]
    return [*broken, *(tight(migration_facts.headroom(database.store)) if files else [])]


def _ahead(rows: Sequence[Row], target: str) -> list[Row]:
    return [row for row in rows if rank(row.id) > rank(target)]


def _stays(database: Database, ahead: Sequence[Row]) -> str:
    names = ", ".join(row.name for row in ahead)
    return f"{database.name} stays ahead of '{database.target}' by {names}, which the older version runs with"
