"""The SQL of migrations for people: as much as a preview can hold, and where the rest is."""

from __future__ import annotations

from collections.abc import Iterator

from sluice.core.migration.file import DOWN, UP, Migration
from sluice.core.migration.script import Script

# A file's first lines say what it is about; a screen holds two of these.
MOST = 24


def up(migration: Migration) -> list[str]:
    """Return what would run."""
    file = "" if migration.kind == "alembic" else migration.name + UP
    return [f"up ({file or 'as it renders'}):", *_sql(migration.forward, file)]


def back(migration: Migration, cost: str) -> list[str]:
    """Return the way back and what it costs."""
    if migration.kind == "alembic" and migration.way != "restore-only":
        return [f"way back, {cost}:", *(_sql(migration.back, "") if migration.back else ["  downgrade(), which cannot be seen before"])]
    if migration.back is None:
        return ["way back: none but a restore of the backup that is made before"]
    return [f"way back ({migration.name}{DOWN}), {cost}:", *_sql(migration.back, migration.name + DOWN)]


def stored(migration: Migration) -> list[str]:
    """Return all of the way back that the database has kept: there may be no file that could be looked into."""
    return ["SQL, as the database has kept it:", *_sql(migration.back or Script(statements=()), "")]


def _sql(script: Script, file: str) -> Iterator[str]:
    lines = [f"  {line}" for one in script.statements for line in f"{one.sql.strip()};".split("\n") if line.strip()]
    yield from lines[: MOST if file else None]
    if file and len(lines) > MOST:
        yield f"  ... {len(lines) - MOST} more lines in {file}"


def turned(migration: Migration) -> Migration:
    """Return the way back as a migration of its own: what undoes a contract expands, and what undoes an expand is a contract."""
    phase = "expand" if migration.phase == "contract" else "contract"
    return migration.model_copy(update={"forward": migration.back or Script(statements=()), "phase": phase, "way": "reversible"})
