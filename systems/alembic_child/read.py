"""All that is known of a tree without a database: its revisions, each with what it renders."""

from __future__ import annotations

import ast
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sluice.systems.alembic_child.error import reason, spot
from sluice.systems.alembic_child.files import loaded, prints
from sluice.systems.alembic_child.tree import Tree


def read(tree: Tree) -> dict[str, Any]:
    """Return all that is known of a tree without a database."""
    revisions = [_revision(tree, one) for one in tree.revisions()]
    return {
        "revisions": revisions,
        # Last, when all that a revision loads has been loaded.
        "loaded": prints(loaded(tree)),
        "heads": sorted(tree.scripts.get_heads()),
        "table": tree.given.get("version_table", "alembic_version"),
        "schema": tree.given.get("version_table_schema"),
        "models": tree.given.get("target_metadata") is not None,
    }


def _revision(tree: Tree, one: Any) -> dict[str, Any]:
    source = Path(one.path).read_text(encoding="utf-8")
    said = {name: getattr(one.module, f"sluice_{name}", None) for name in ("phase", "way", "loses")}
    body = _bodies(source)
    empty = body.get("downgrade", True) and not body.get("upgrade", True)
    facts = {
        "id": one.revision,
        "doc": one.doc or "",
        "file": one.path,
        "print": prints([os.path.realpath(one.path)]),
        "source": source,
        "empty": empty,
    }
    rendered = {"up": _rendered(tree, one, "upgrade"), "down": _rendered(tree, one, "downgrade")}
    return {**facts, **said, **rendered, "revises": list(dict.fromkeys(_parents(one)))}


def _parents(one: Any) -> Iterator[str]:
    # Alembic's own names: dependencies may be labels, and are ids once resolved.
    for found in (one._versioned_down_revisions, one._resolved_dependencies):
        yield from found


def _bodies(source: str) -> dict[str, bool]:
    """Say of each function whether it does nothing, or only says that it cannot."""
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    return {one.name: all(_idle(part) for part in one.body) for one in functions}


def _idle(node: ast.stmt) -> bool:
    nothing = isinstance(node, ast.Return) and (node.value is None or isinstance(node.value, ast.Constant))
    return nothing or isinstance(node, ast.Pass | ast.Raise) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _rendered(tree: Tree, one: Any, name: str) -> dict[str, str]:
    """Return the SQL of one direction as far as it can be seen without a connection, and why no further."""
    from alembic.operations import Operations

    buffer, unseen = io.StringIO(), ""
    environment = tree.environment()
    environment.context_opts["as_sql"] = True
    with environment:
        environment.configure(
            **{**tree.given, "dialect_name": "postgresql", "dialect_opts": {"paramstyle": "named"}, "literal_binds": True},
            output_buffer=buffer,
        )
        try:
            with Operations.context(environment.get_context()):
                getattr(one.module, name, lambda **_: None)(**tree.words)
        except Exception as error:
            unseen = f"{spot(tree.folder, error)}{reason(error)}"
    return {"sql": buffer.getvalue(), "unseen": unseen}
