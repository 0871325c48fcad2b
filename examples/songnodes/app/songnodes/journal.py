"""What a service says: one JSON object a line on stdout, each written in one call, so that threads do not cut each other's lines."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

from songnodes.setting import VERSION

SERVICE = {"name": ""}


def name(service: str) -> None:
    """Say whose lines these are."""
    SERVICE["name"] = service


def say(level: str, message: str, **known: Any) -> None:
    """Write a line."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = {"time": now, "level": level, "service": SERVICE["name"], "version": VERSION, "message": message, **known}
    sys.stdout.write(json.dumps(line, default=str) + "\n")
    sys.stdout.flush()
