"""The text of a live schema, as `core.backup.schema` compares it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from sluice.core.backup.manifest import SCHEMA
from sluice.core.backup.schema import normal
from sluice.core.commands import dump as say
from sluice.core.store import Store
from sluice.systems.aside import ASIDE
from sluice.systems.tool import Look, env, run


def shape(store: Store, look: Look = lambda: None) -> str:
    """Return a database's schema as normal text, without what a drill has put aside in it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / SCHEMA
        run(say.schema(store, to=str(path), without=ASIDE), env(store), look)
        return normal(path.read_text())
