"""The kind of migrations that a database has: a folder of SQL files, or an Alembic tree. All that a release asks of either is here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Unpack

from sluice.core.database import Database
from sluice.core.errors import ConfigError
from sluice.core.migration import tree as rule
from sluice.core.migration.dirty import begun
from sluice.core.migration.file import Migration
from sluice.core.migration.history import Plan, Wish, plan, revision
from sluice.core.migration.revision import Tree
from sluice.core.migration.row import Row
from sluice.core.rank import rank
from sluice.systems import migrations
from sluice.systems.migration_step import How


class Scheme(Protocol):
    """What a kind of migrations must do; every answer looks at the database as it is."""

    def all(self) -> list[Migration]:
        """Return every migration that there is, in order, without a database; ConfigError has every problem of them."""

    def until(self, target: str) -> list[Migration]:
        """Return the migrations of an empty database's way to a revision; ConfigError has what cannot run."""

    def revision(self) -> str:
        """Return the database's revision; "" before its first."""

    def ahead(self, target: str) -> Sequence[Row | Migration]:
        """Return what the history has beyond a revision."""

    def begun(self, target: str) -> Sequence[Row | Migration]:
        """Return of that what is in the database, as a whole or in part."""

    def plan(self, **wish: Unpack[Wish]) -> Plan:
        """Return the way to a revision, as `core.migration.history.plan` does."""

    def prepare(self) -> None:
        """Make the tables that say what was run."""

    def run(self, plan: Plan, **how: Unpack[How]) -> list[str]:
        """Run a plan, as `systems.migrations.run` does, with all that it takes."""

    def drift(self) -> list[str]:
        """Return how the database is other than the code's models say, a line each; none where nobody can say."""


class Files:
    """SQL files."""

    def __init__(self, database: Database) -> None:
        self.store, self.folder = database.store, Path(database.folder)

    def all(self) -> list[Migration]:
        """Read the files."""
        return migrations.read(self.folder)

    def until(self, target: str) -> list[Migration]:
        """Take their numbers as their order."""
        return [one for one in self.all() if rank(one.id) <= rank(target)]

    def revision(self) -> str:
        """Take the last that was applied."""
        return revision(migrations.look(self.store))

    def ahead(self, target: str) -> Sequence[Row]:
        """Take rows with a higher number."""
        return [row for row in migrations.look(self.store) if rank(row.id) > rank(target)]

    def begun(self, target: str) -> Sequence[Row]:
        """Leave out what has left nothing."""
        return [row for row in self.ahead(target) if begun(row)]

    def plan(self, **wish: Unpack[Wish]) -> Plan:
        """Compare files with rows."""
        return plan(self.all(), migrations.look(self.store), **wish)

    def prepare(self) -> None:
        """Make the history."""
        migrations.prepare(self.store)

    def run(self, plan: Plan, **how: Unpack[How]) -> list[str]:
        """Send their statements."""
        return migrations.run(self.store, plan, **how)

    def drift(self) -> list[str]:
        """Know no models."""
        return []


class Revisions:
    """An Alembic tree."""

    def __init__(self, database: Database) -> None:
        assert database.alembic
        self.store, self.spec = database.store, database.alembic

    def all(self) -> list[Migration]:
        """Read the tree in the team's Python."""
        return [one.migration for one in self._tree().revisions]

    def until(self, target: str) -> list[Migration]:
        """Take what the revision needs."""
        known = rule.Known(self._tree(), [])
        found = known.order(known.below([target]))
        if wrong := [why for one in found for why in rule.barred(one)]:
            raise ConfigError(wrong)
        return found

    def revision(self) -> str:
        """Take what Alembic's own table has."""
        return rule.revision(self._look()[0])

    def ahead(self, target: str) -> Sequence[Migration]:
        """Take what the revision does not need."""
        heads, rows = self._look()
        known = rule.Known(self._tree(), rows)
        return known.order(known.below(heads) - known.below([target]))

    def begun(self, target: str) -> Sequence[Migration]:
        """Take all of it: Alembic's own table has no more."""
        return self.ahead(target)

    def plan(self, **wish: Unpack[Wish]) -> Plan:
        """Compare the tree with Alembic's own table."""
        return rule.plan(self.spec, self._tree(), *self._look(), **wish)

    def prepare(self) -> None:
        """Make the history, and Alembic's own table."""
        from sluice.systems import alembic_run

        alembic_run.ready(self.spec, self.store)

    def run(self, plan: Plan, **how: Unpack[How]) -> list[str]:
        """Have the team's Python run it."""
        from sluice.systems import alembic_run

        return alembic_run.run(self.spec, self.store, plan, **how)

    def drift(self) -> list[str]:
        """Compare the models of `env.py`."""
        from sluice.systems import alembic_run

        return alembic_run.drift(self.spec, self.store)

    def _tree(self) -> Tree:
        from sluice.systems import alembic_tree

        return alembic_tree.read(self.spec)

    def _look(self) -> tuple[list[str], list[Row]]:
        from sluice.systems import alembic_tree

        return alembic_tree.look(self.spec, self._tree(), self.store)


def of(database: Database) -> Scheme:
    """Return a database's kind of migrations."""
    return Revisions(database) if database.alembic else Files(database)
