"""The text of a schema, so that two can be compared: without what differs from dump to dump, and without passwords."""

from __future__ import annotations

import hashlib
import re

# The random key of \restrict, and who dumped what with what.
NOISE = re.compile(r"^(\\(un)?restrict .*|-- Dumped (from|by) .*)\n", re.MULTILINE)
# A user mapping holds a password, and a drill's copy has none (systems/aside.py). Nothing quoted may hold an unescaped quote.
MAPPING = re.compile(r"^CREATE USER MAPPING FOR (?:[^;']|'(?:[^']|'')*')*;\n", re.MULTILINE)
MAPPINGS = re.compile(r"^-- Name: USER MAPPING .*\n", re.MULTILINE)
# `varchar_column in ('a', 'b')`: the server writes its cast around the array, and, once that was read back, around each item.
ITEM = r"E?'(?:[^']|'')*'::character varying(?:\(\d+\))?"
CAST = re.compile(rf"\(ARRAY\[({ITEM}(?:, {ITEM})*)\]\)::text\[\]")
HEADING = re.compile(r"-- Name: (.*); Type: (.*); Schema: (.*); Owner: ")
# In CREATE TABLE: a column's name, or what it calls a constraint.
COLUMN = re.compile(r"    (?:CONSTRAINT )?(\"[^\"]+\"|\w+)")
# What has columns, as an object is called.
TABLES = ("table ", "foreign table ")
SHOWN = 12


def normal(text: str) -> str:
    """Return a schema dump's text without its noise."""
    for pattern in (NOISE, MAPPING, MAPPINGS):
        text = pattern.sub("", text)
    text = CAST.sub(lambda found: f"ARRAY[{re.sub(ITEM, _cast, found[1])}]", text)
    lines = [line.rstrip() for line in text.splitlines()]
    return "\n".join(line for line in lines if line not in ("", "--")) + "\n"


def _cast(found: re.Match[str]) -> str:
    return f"({found[0]})::text"


def digest(normal: str) -> str:
    """Return the SHA-256 of a normal text."""
    return hashlib.sha256(normal.encode()).hexdigest()


def difference(old: str, new: str, *, names: tuple[str, str], order: bool = True) -> list[str]:
    """Return what differs between two normal texts, object by object; how many more there are, in the last.

    `order` False: columns may have changed places, as one has that was dropped and added again.
    Never their texts: a function's body, a default, or a view may hold a secret, and this goes into errors and notices.
    """
    before, after = _objects(old, order=order), _objects(new, order=order)
    found = [_other(one, before.get(one), after.get(one), names) for one in sorted(before | after) if before.get(one) != after.get(one)]
    more = [f"... {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return found[:SHOWN] + more


def _objects(text: str, *, order: bool) -> dict[str, list[str]]:
    """Take a dump apart at its own headings; what stands before the first are settings."""
    found: dict[str, list[str]] = {}
    name = "settings"
    for line in text.splitlines():
        if heading := HEADING.match(line):
            called, kind, schema = heading.groups()
            name = f"{kind.lower()} {called}" if schema == "-" else f"{kind.lower()} {schema}.{called}"
        # The last column has no comma.
        found.setdefault(name, []).append(line.removesuffix(","))
    return found if order else {name: sorted(lines) if name.startswith(TABLES) else lines for name, lines in found.items()}


def _other(name: str, old: list[str] | None, new: list[str] | None, names: tuple[str, str]) -> str:
    if old is None or new is None:
        return f"{name}: not in the {names[0] if old is None else names[1]}"
    lines = [one for one in (*old, *new) if (one in old) != (one in new)] if name.startswith(TABLES) else []
    columns = dict.fromkeys(found[1] for one in lines if (found := COLUMN.match(one)))
    return f"{name}: another one" + (f", in {', '.join(columns)}" if columns else "")
