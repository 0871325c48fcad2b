"""The waterfall: for each fact of a track the sources that are asked for it, one after the other until one knows it.

It is a table, and read again after WATERFALL_SECONDS (5) or on request: a change needs no build, no release, and no restart.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from songnodes import journal, store
from songnodes.setting import number

SOURCES = "select field, source from waterfall_sources where enabled order by field, priority, source"

Answer = Callable[[str], Mapping[str, Any]]


class Waterfall:
    """The sources by field, as they were when last read."""

    def __init__(self, pool: store.Pool) -> None:
        self.pool, self.age = pool, number("WATERFALL_SECONDS", 5)
        self.lock, self.at, self.loads = threading.Lock(), 0.0, 0
        self.fields: dict[str, list[str]] = {}
        self.read()

    def read(self) -> None:
        """Read the table."""
        found: dict[str, list[str]] = {}
        for row in store.rows(self.pool, SOURCES):
            found.setdefault(row["field"], []).append(row["source"])
        with self.lock:
            if found != self.fields:
                journal.say("INFO", "waterfall loaded", fields=found)
            self.fields, self.at, self.loads = found, time.monotonic(), self.loads + 1

    def now(self) -> dict[str, list[str]]:
        """Return the sources by field, not older than they may be."""
        if time.monotonic() - self.at > self.age:
            self.read()
        return self.fields

    def run(self, ask: Answer) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the facts of a track, and by fact who knew it. `ask` is put to each source once at most."""
        answers: dict[str, Mapping[str, Any]] = {}
        facts, known = dict[str, Any](), dict[str, str]()
        for name, sources in self.now().items():
            for source in sources:
                if source not in answers:
                    answers[source] = ask(source)
                if name in answers[source]:
                    facts[name], known[name] = answers[source][name], source
                    break
        return facts, known
