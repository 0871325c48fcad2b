"""An Alembic tree, as a team declares it. Programs read this at their start: nothing heavy is imported here."""

from __future__ import annotations

from pydantic import Field

from sluice.core.value import Value

# Where Alembic writes down its revisions, unless it is told otherwise.
USUAL = "alembic_version"


class Alembic(Value):
    """Where a tree is, how its `env.py` is loaded, and what its revisions do not say themselves.

    `folder` has `env.py` or `alembic.ini`; `ini` is another ini file. `python` is the interpreter that has the team's packages, Alembic
    and psycopg or psycopg2 (the deploying one if empty); `path` are folders for its imports. Of the environment it gets `environment`,
    and by name alone, as secrets must, `inherit`. `search_path` is what the team's own connection would set.

    `env` False loads no `env.py`: `version_table` and `version_schema` say what it would. `contract`, `restore_only` and `lossy` (with
    a SELECT of what going back loses, or "") name revisions of trees that one may not edit. Both timeouts are in seconds; unset, they are
    those of SQL files.
    """

    folder: str
    ini: str = ""
    python: str = ""
    path: tuple[str, ...] = ()
    environment: dict[str, str] = Field(default_factory=dict)
    inherit: tuple[str, ...] = ()
    search_path: str = ""
    env: bool = True
    version_table: str = USUAL
    version_schema: str = ""
    contract: tuple[str, ...] = ()
    lossy: dict[str, str] = Field(default_factory=dict)
    restore_only: tuple[str, ...] = ()
    lock_timeout: float | None = None
    statement_timeout: float | None = None
