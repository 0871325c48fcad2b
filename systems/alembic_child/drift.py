"""How the models of `env.py` differ from a database."""

from __future__ import annotations

from typing import Any


def differences(context: Any, metadata: Any) -> list[str]:
    """Return what Alembic would write a revision for, a line each."""
    from alembic.autogenerate import compare_metadata

    return [_words(one) for one in compare_metadata(context, metadata) if not _ours(one)]


def _ours(difference: Any) -> bool:
    # Seen by an env.py that includes all schemas.
    return isinstance(difference, tuple) and getattr(difference[1], "schema", None) == "sluice_history"


def _words(difference: Any) -> str:
    # Several changes of one column come as a list.
    parts = difference if isinstance(difference, tuple) else difference[0]
    return " ".join(str(getattr(part, "name", None) or part) for part in parts if part is not None and not isinstance(part, dict | bool))
