"""Feature flags: a JSON object of names and booleans in the file SLUICE_FLAGS, seen by the next request after it was replaced.

A flag that the file does not name is on; so are all of them without a file.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from redcube.log import Log


class Flags:
    """The flags as they are now."""

    def __init__(self, log: Log) -> None:
        name = os.environ.get("SLUICE_FLAGS", "")
        self.path, self.log = Path(name) if name else None, log
        self.seen: tuple[int, int] | None = None
        self.values: dict[str, bool] = {}

    def on(self, name: str) -> bool:
        """Say whether a feature is on."""
        if self.path:
            self.look(self.path)
        return self.values.get(name, True)

    def look(self, path: Path) -> None:
        """Read the file again if it is another one than last time."""
        try:
            facts = path.stat()
        except FileNotFoundError:
            self.seen, self.values = None, {}
            return
        now = (facts.st_mtime_ns, facts.st_ino)
        if now != self.seen:
            self.seen = now
            self.read(path)

    def read(self, path: Path) -> None:
        """Take the file's flags; keep the last ones when it cannot be read, and say so."""
        try:
            values = json.loads(path.read_text())
            if not isinstance(values, dict) or not all(isinstance(value, bool) for value in values.values()):
                raise ValueError("not an object of booleans")
        except (OSError, ValueError) as error:
            self.log.line("ERROR", message=f"flags in {path} are not read, the last ones stay: {error}")
            return
        self.values = values
        self.log.line("INFO", message="flags read", flags=values)
