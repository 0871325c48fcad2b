"""The one connection that this program has."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any

from sluice.systems.alembic_child.cursor import Ear, telling
from sluice.systems.alembic_child.error import Wrong

# Drivers, the best one first, with the places that open a connection.
DRIVERS = {
    "psycopg": (("psycopg", "connect"), ("psycopg", "Connection.connect"), ("psycopg", "AsyncConnection.connect")),
    "psycopg2": (("psycopg2", "connect"), ("psycopg2", "_connect"), ("psycopg2._psycopg", "_connect")),
}


def connect(given: Mapping[str, Any], ear: Ear) -> Any:
    """Open the one connection, whose cursors tell what they send; a second one of its pool is refused at once."""
    from sqlalchemy import create_engine

    name = driver()
    more: dict[str, Any] = {"cursor_factory": telling(name, ear)} | ({"prepare_threshold": None} if name == "psycopg" else {})
    engine = create_engine(
        f"postgresql+{name}://", connect_args={**given, **more}, pool_size=1, max_overflow=0, pool_timeout=0.1, pool_reset_on_return=None
    )
    return engine.connect()


def driver() -> str:
    """Return the driver of this Python."""
    for name in DRIVERS:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
        return name
    raise Wrong(f"{sys.executable} has neither psycopg nor psycopg2: install one of them there")
