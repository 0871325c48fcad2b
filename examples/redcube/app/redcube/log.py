"""One JSON object a line on stdout, written in one call: threads do not cut each other's lines."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import Any

from redcube.version import VERSION


class Log:
    """The lines of one service."""

    def __init__(self, service: str) -> None:
        self.always = {"service": service, "version": VERSION}

    def line(self, level: str, **fields: Any) -> None:
        """Write a line, with the time and whose it is."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        # No spaces, so that a plain grep for "status":500 finds what it looks for.
        text = json.dumps({"time": now, "level": level, **self.always, **fields}, separators=(",", ":"))
        os.write(1, text.encode() + b"\n")
