"""The team's tree, its `env.py` loaded and not run."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NoReturn

from sluice.systems.alembic_child.connection import driver
from sluice.systems.alembic_child.error import Wrong

# What `context.configure` is given that is the connection's, or ours to say.
OURS = {"connection", "url", "dialect", "dialect_name", "dialect_opts", "transaction_per_migration", "on_version_apply", "fn", "script"}
OURS |= {"as_sql", "output_buffer", "starting_rev", "tag", "purge", "transactional_ddl", "literal_binds"}


class Tree:
    """A tree with its `env.py` loaded."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        self.spec = spec
        self.callbacks: list[Any] = []
        self.config = Config(spec["ini"] or None)
        if spec["folder"]:
            self.config.set_main_option("script_location", spec["folder"].replace("%", "%%"))
        # Whoever builds an engine of it gets nowhere.
        self.config.set_main_option("sqlalchemy.url", f"postgresql+{driver()}://nobody@sluice.invalid/none")
        self.scripts = ScriptDirectory.from_config(self.config)
        self.folder = Path(self.scripts.dir)
        self.given, self.words = self._configured() if spec["env"] else (self._named(), {})

    def _named(self) -> dict[str, Any]:
        return {"version_table": self.spec["version_table"], "version_table_schema": self.spec["version_schema"] or None}

    def _configured(self) -> tuple[dict[str, Any], dict[str, Any]]:
        seen: list[tuple[dict[str, Any], dict[str, Any]]] = []
        with recorder(self.config, self.scripts, seen):
            self.scripts.run_env()
        if len(seen) != 1:
            raise Wrong(f"env.py calls context.configure() {len(seen)} times in offline mode, and must do so once")
        ((given, words),) = seen
        own = given.get("on_version_apply") or ()
        self.callbacks = [own] if callable(own) else list(own)
        return {key: value for key, value in given.items() if key not in OURS and value is not None}, words

    def revisions(self) -> Iterator[Any]:
        """Yield the revisions, parents first."""
        yield from reversed(list(self.scripts.walk_revisions("base", "heads")))

    def environment(self, fn: Any = None) -> Any:
        """Return Alembic's context for this tree, not yet configured."""
        from alembic.runtime.environment import EnvironmentContext

        return EnvironmentContext(self.config, self.scripts, fn=fn or (lambda heads, context: []))


def recorder(config: Any, scripts: Any, seen: list[Any]) -> Any:
    """Return a context that writes down what `env.py` configures, and does nothing of it."""
    from alembic.runtime.environment import EnvironmentContext

    # Alembic hands out the methods of its own class alone, so they are replaced one by one instead of in a class below it.
    context: Any = EnvironmentContext(config, scripts, as_sql=True)
    configure = context.configure

    def record(*args: Any, **given: Any) -> None:
        if args:
            raise Wrong("env.py gives context.configure() a connection in offline mode: that path must not connect")
        seen.append((given, {}))
        more = {"url": None, "connection": None, "dialect_name": "postgresql", "output_buffer": io.StringIO()}
        configure(**{**given, **more})

    context.is_offline_mode = lambda: True
    context.configure = record
    context.run_migrations = lambda **words: seen[-1][1].update(words)
    context.begin_transaction = nullcontext
    context.execute = _unrecorded
    return context


def _unrecorded(*_: Any, **__: Any) -> NoReturn:
    raise Wrong("env.py runs statements by context.execute(), which nobody records: put them into a revision")
