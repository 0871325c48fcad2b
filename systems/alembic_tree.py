"""An Alembic tree as its files are, and a database as Alembic's own table and the history have it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from sluice.core.errors import Unreachable
from sluice.core.migration import revision
from sluice.core.migration.alembic import USUAL, Alembic
from sluice.core.migration.revision import Tree
from sluice.core.migration.row import Row
from sluice.core.store import Store
from sluice.systems import migration_table as table
from sluice.systems.alembic_process import clean, first, located, started
from sluice.systems.migration_session import Session, opened, where
from sluice.systems.postgres import primary

Print = tuple[tuple[str, int, int], ...]
# Several questions about one release each read the tree, and a start takes a second.
SEEN: dict[str, tuple[Print, set[str], Tree]] = {}


def read(spec: Alembic) -> Tree:
    """Read a tree in the team's Python; again only when a file has changed. ConfigError says why it cannot be loaded."""
    text, now = spec.model_dump_json(), _print(spec)
    kept = SEEN.get(text)
    if kept and kept[0] == now and kept[1] == _beside(kept[2]) and _same(kept[2]):
        return kept[2]
    with started(spec) as child:
        found = first(child)
    tree = revision.tree(spec, {**found, "revisions": [_kept(spec, one) for one in found["revisions"]]})
    SEEN[text] = now, _beside(tree), tree
    return tree


def _same(tree: Tree) -> bool:
    """Say whether all that was loaded, wherever it is, is as it was."""
    files = {file: print for one in tree.revisions for file, print in one.migration.files.items()}
    return all(_sha256(file) == print for file, print in files.items())


def _sha256(file: str) -> str:
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError:
        return ""


def _beside(tree: Tree) -> set[str]:
    """Return the files in all folders that something was loaded from: a revision that is new there is in none of the others."""
    folders = {Path(file).parent for one in tree.revisions for file in one.migration.files}
    return {str(path) for folder in folders for path in folder.glob("*.py")}


def _kept(spec: Alembic, one: dict[str, Any]) -> dict[str, Any]:
    """Return a revision without secrets; a way back that holds one is not kept, since it would be another without it."""
    up, down = ({name: clean(spec, text) for name, text in one[way].items()} for way in ("up", "down"))
    if down["sql"] != one["down"]["sql"]:
        down = {"sql": "", "unseen": "its way back holds a value that `inherit` hands over, or a password, which is not kept"}
    return {**one, "up": up, "down": down}


def _print(spec: Alembic) -> Print:
    folder, ini = located(spec)
    files = [*(sorted(Path(folder).rglob("*.py")) if folder else ()), *([Path(ini)] if ini else ())]
    return tuple((str(path), seen.st_mtime_ns, seen.st_size) for path in files if (seen := _stat(path)))


def _stat(path: Path) -> os.stat_result | None:
    """Return what is known of a file; None of an editor's lock, a link to nowhere, and of a file that went since it was listed."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def look(spec: Alembic, tree: Tree, store: Store) -> tuple[list[str], list[Row]]:
    """Return where a database stands, and its history."""
    try:
        with opened(store, "sluice", read=True) as session:
            return heads(spec, tree, session), table.rows(session)
    except psycopg.Error as error:
        raise Unreachable(f"{where(store)}: {primary(error)}") from None


def heads(spec: Alembic, tree: Tree, session: Session) -> list[str]:
    """Return the revisions in Alembic's own table; none when there is no such table."""
    if spec.search_path:
        session.execute("select set_config('search_path', %s, false)", [spec.search_path])
    name = sql.Identifier(*(part for part in (tree.schema_, tree.table) if part))
    return _numbers(session, name)


def _numbers(session: Session, name: sql.Identifier) -> list[str]:
    found = session.execute("select to_regclass(%s)", [name.as_string(session)]).fetchone()
    if not found or found[0] is None:
        return []
    return [str(id) for (id,) in session.execute(sql.SQL("select version_num from {} order by 1").format(name))]


def usual(store: Store) -> list[str]:
    """Return the revisions in a table of Alembic's usual name, as the role finds it; none when there is no such table."""
    try:
        with opened(store, "sluice", read=True) as session:
            return _numbers(session, sql.Identifier(USUAL))
    except psycopg.Error as error:
        raise Unreachable(f"{where(store)}: {primary(error)}") from None
