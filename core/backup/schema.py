"""The text of a schema, so that two can be compared: without what differs from dump to dump, and without passwords."""

from __future__ import annotations

import difflib
import hashlib
import re

# The random key of \restrict, and who dumped what with what.
NOISE = re.compile(r"^(\\(un)?restrict .*|-- Dumped (from|by) .*)\n", re.MULTILINE)
# A user mapping holds a password, and a drill's copy has none (systems/aside.py). Nothing quoted may hold an unescaped quote.
MAPPING = re.compile(r"^CREATE USER MAPPING FOR (?:[^;']|'(?:[^']|'')*')*;\n", re.MULTILINE)
MAPPINGS = re.compile(r"^-- Name: USER MAPPING .*\n", re.MULTILINE)
SHOWN = 12


def normal(text: str) -> str:
    """Return a schema dump's text without its noise."""
    for pattern in (NOISE, MAPPING, MAPPINGS):
        text = pattern.sub("", text)
    lines = [line.rstrip() for line in text.splitlines()]
    return "\n".join(line for line in lines if line not in ("", "--")) + "\n"


def digest(normal: str) -> str:
    """Return the SHA-256 of a normal text."""
    return hashlib.sha256(normal.encode()).hexdigest()


def difference(old: str, new: str, *, names: tuple[str, str]) -> list[str]:
    """Return the first lines that differ between two normal texts, as a unified diff; how many more there are, in the last."""
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), *names, n=1, lineterm=""))
    more = [f"... {len(lines) - SHOWN} more lines"] if len(lines) > SHOWN else []
    return lines[:SHOWN] + more
