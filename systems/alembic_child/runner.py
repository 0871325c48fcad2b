"""What runs revisions: the tree on a connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from sluice.systems.alembic_child.cursor import Ear
from sluice.systems.alembic_child.drift import differences
from sluice.systems.alembic_child.error import Stopped, cause, spot, told
from sluice.systems.alembic_child.files import loaded
from sluice.systems.alembic_child.lines import Lines
from sluice.systems.alembic_child.step import Step
from sluice.systems.alembic_child.tree import Tree


class Runner:
    """The tree on a connection."""

    def __init__(self, lines: Lines, tree: Tree, connection: Any, ear: Ear) -> None:
        from sqlalchemy import event

        self.lines, self.tree, self.connection = lines, tree, connection
        self.step: Step | None = None
        ear.tell = self._told
        event.listen(connection.engine, "before_cursor_execute", self._before)
        event.listen(connection.engine, "after_cursor_execute", self._after)
        event.listen(connection.engine, "commit", self._commit)

    def _before(self, connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        if self.step:
            self.step.before(connection, sql)

    def _told(self, sql: str) -> None:
        if self.step:
            self.step.raw(sql)

    def _after(self, connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        if self.step:
            self.step.after(connection, sql)

    def _commit(self, connection: Any) -> None:
        if self.step:
            self.step.commit(connection)

    def asked(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Do what the parent asks for, within its limits."""
        for name, value in (("lock_timeout", "lock"), ("statement_timeout", "statement"), ("application_name", "name")):
            self.connection.exec_driver_sql("select set_config(%(name)s, %(value)s, false)", {"name": name, "value": asked[value]})
        self.connection.commit()
        if asked["do"] in ("up", "down"):
            return self.run(asked)
        try:
            return self.prepare() if asked["do"] == "prepare" else self.drift()
        except Exception as error:
            return {"error": f"{spot(self.tree.folder, error)}{told(error)}"}

    def prepare(self) -> dict[str, Any]:
        """Make Alembic's own table, as it makes it before its first revision."""
        with self.configured() as environment:
            environment.run_migrations()
        self.connection.commit()
        return {}

    def run(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Run one revision; what Alembic's table says changes in its transaction."""
        step = Step(self.lines, self.connection, asked, partial(loaded, self.tree))
        try:
            self._go(asked, step)
        except (Exception, Stopped) as error:
            self.step = None
            return self._failed(step, error)
        self.step = None
        return {"done": step.at}

    def _go(self, asked: Mapping[str, Any], step: Step) -> None:
        from alembic.runtime.migration import MigrationStep

        make = MigrationStep.upgrade_from_script if asked["do"] == "up" else MigrationStep.downgrade_from_script
        only = make(self.tree.scripts.revision_map, self.tree.scripts.get_revision(asked["revision"]))

        only.migration_fn = step.within(only.migration_fn)

        def begun(heads: Any, context: Any) -> Iterator[Any]:
            # The version table is there now; what comes is the revision's own.
            self.step = step
            yield only

        with self.configured(begun, step.apply) as environment:
            environment.run_migrations(**self.tree.words)

    @contextmanager
    def configured(self, fn: Callable[..., Any] | None = None, apply: Any = None) -> Iterator[Any]:
        """Configure Alembic as `env.py` does, on our connection."""
        environment = self.tree.environment(fn)
        with environment:
            callbacks = [*self.tree.callbacks, apply] if apply else []
            environment.configure(connection=self.connection, transaction_per_migration=True, on_version_apply=callbacks, **self.tree.given)
            yield environment

    def _failed(self, step: Step, error: BaseException) -> dict[str, Any]:
        origin, where = cause(error), spot(self.tree.folder, error)
        state = getattr(origin, "sqlstate", None) or getattr(origin, "pgcode", None)
        gone = bool(getattr(error, "connection_invalidated", False))
        if not gone:
            self.connection.rollback()
            # SQLAlchemy forgets a transaction whose commit was refused; the driver does not. It may have closed the connection, too.
            if not self.connection.invalidated:
                self.connection.connection.rollback()
        # What a revision makes of it, having caught it, says less.
        why = step.stop or told(error)
        return {"error": why, "state": state, "where": where, "at": step.at, "sql": step.said, "open": step.open, "gone": gone}

    def drift(self) -> dict[str, Any]:
        """Compare the models with the database."""
        with self.configured() as environment:
            found = differences(environment.get_context(), self.tree.given["target_metadata"])
        self.connection.rollback()
        return {"drift": found}
