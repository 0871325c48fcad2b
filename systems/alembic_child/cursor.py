"""Cursors that tell what they are about to send, also those that the team's code takes from the driver itself."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import wraps
from typing import Any

# Where each driver has the class of its cursors, and what of it sends a statement.
CLASSES = {"psycopg": ("psycopg", "Cursor"), "psycopg2": ("psycopg2.extensions", "cursor")}
SENDS = ("execute", "executemany", "copy", "copy_expert")

Tell = Callable[[str], None]


class Ear:
    """Who is told: nobody, until a revision is at work."""

    def __init__(self) -> None:
        self.tell: Tell | None = None


def telling(driver: str, ear: Ear) -> Any:
    """Return a class of cursors that tells every statement before it is sent."""
    module, name = CLASSES[driver]
    base = getattr(importlib.import_module(module), name)
    return type("Cursor", (base,), {name: _told(getattr(base, name), ear) for name in SENDS if hasattr(base, name)})


def _told(send: Callable[..., Any], ear: Ear) -> Callable[..., Any]:
    @wraps(send)
    def told(self: Any, query: Any, *given: Any, **more: Any) -> Any:
        if ear.tell:
            ear.tell(_text(self, query))
        return send(self, query, *given, **more)

    return told


def _text(cursor: Any, query: Any) -> str:
    if isinstance(query, bytes):
        return query.decode(errors="replace")
    # Both drivers have statements that are put together of parts.
    return str(query.as_string(cursor)) if hasattr(query, "as_string") else str(query)
