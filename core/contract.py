"""What a stack promises to other stacks, under a number: outputs with their types, doors and databases. Pure.

An addition is compatible. What goes or changes takes the next number, and is refused without it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FIRST = 1
# It keeps the engine from taking the line for JSON and spreading it over a screen.
MARK = "terms "
TEXT, NUMBER, MAP, TEXTS, MAPS, LINES = "text", "number", "map", "map of texts", "map of maps", "list of texts"
# Of every stack; docs/outputs.md says what each holds. A name with a dot is a key of a map.
OUTPUTS = {
    "contract": NUMBER,
    "terms": TEXT,
    "url": TEXT,
    "endpoints": TEXTS,
    "live": MAP,
    "live.id": TEXT,
    "live.version": TEXT,
    "live.kind": TEXT,
    "live.at": TEXT,
    "live.by": TEXT,
    "live.git": TEXT,
    "live.services": MAPS,
    "live.schema": TEXTS,
    "live.backups": TEXTS,
    "live.took": MAP,
    "live.approvals": LINES,
    "live.skipped": TEXTS,
    "proven": LINES,
    "flags": TEXT,
    "journal": TEXT,
    "databases": MAPS,
    "held": MAP,
    "marks": MAP,
    "marks.release": TEXT,
    "marks.since": TEXT,
    "marks.due": "list of maps",
    "marks.next": TEXTS,
    "marks.passed": TEXTS,
    "marks.seen": LINES,
}
NAMES = tuple(name for name in OUTPUTS if "." not in name)
DOOR, DATABASE = "endpoints.", "databases."
STORE = "host, port, dbname"


@dataclass(frozen=True, kw_only=True)
class Terms:
    """A stack's promise. `things` are what others may read, by output and key, each with its type, door or keys; `deprecated` says of
    those that will go what to use instead.

    Every update makes one and reads one: a plain class, which costs nothing.
    """

    contract: int = FIRST
    things: Mapping[str, str]
    deprecated: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Return the terms as one line, for `parse`."""
        return MARK + json.dumps({"contract": self.contract, "things": dict(self.things), "deprecated": dict(self.deprecated)})

    @classmethod
    def parse(cls, text: str) -> Terms:
        """Return the terms of a line; keys that a later Sluice may add are left out."""
        told = json.loads(text.removeprefix(MARK))
        return cls(contract=int(told["contract"]), things=told["things"], deprecated=told.get("deprecated", {}))

    @classmethod
    def told(cls, output: Any) -> Terms | None:
        """Return the terms that an output `terms` holds; None where there is none, or another program means something else by it."""
        return cls.parse(output) if isinstance(output, str) and output.startswith(MARK) else None


def terms(contract: int, *, doors: Mapping[str, str], databases: Iterable[str], deprecated: Mapping[str, str]) -> Terms:
    """Return what a stack with these doors (prefix by service) and databases promises."""
    own = {DOOR + service: prefix for service, prefix in doors.items()} | {DATABASE + name: STORE for name in databases}
    return Terms(contract=contract, things=dict(sorted({**OUTPUTS, **own}.items())), deprecated=dict(deprecated))


def lost(before: Terms, now: Terms) -> dict[str, str]:
    """Return what others can no longer rely on, by name, each with what becomes of it."""
    changed = {name: (was, now.things.get(name)) for name, was in before.things.items() if now.things.get(name) != was}
    return {name: f"'{was}' goes" if new is None else f"'{was}' becomes '{new}'" for name, (was, new) in changed.items()}


def problems(before: Terms | None, now: Terms, *, back: bool = False) -> list[str]:
    """Return why a stack must not promise this after that, each with its path; `back`: to a release that is proven already.

    A stack that has promised nothing yet is free; and the way back is always open, as `notes` says.
    """
    wrong = _unknown(now) + ([f"contract {now.contract}: numbers begin with {FIRST}"] if now.contract < FIRST else [])
    if before is None or back:
        return wrong
    gone = lost(before, now) if now.contract == before.contract else {}
    if gone:
        wrong += [f"contract {before.contract}: {name}: {why}, and other stacks may read it" for name, why in gone.items()]
        wrong.append(f"contract {before.contract}: {_remedy(before, gone)}")
    return wrong + _number(before.contract, now.contract)


def _unknown(now: Terms) -> list[str]:
    known = ", ".join(name for name in now.things if name.startswith((DOOR, DATABASE))) or "none"
    missing = [name for name in now.deprecated if name not in now.things]
    return [f"deprecated '{name}': the stack tells no such thing: doors and databases are {known}" for name in missing]


def _remedy(before: Terms, gone: Mapping[str, str]) -> str:
    after = f"contract={before.contract + 1} in program(...)"
    silent = [name for name in gone if name not in before.deprecated]
    if not silent:
        return f"keep it, or say {after}: it was deprecated"
    first = ", ".join(f"'{name}': 'what to use'" for name in silent)
    return f"keep it; or tell others first, by deprecated={{{first}}}, and once they have moved say {after}"


def _number(before: int, now: int) -> list[str]:
    if now > before + 1:
        return [f"contract {now}: comes after {before}, and others wait for {before + 1}: say contract={before + 1} in program(...)"]
    if now < before:
        return [f"contract {now}: others were promised {before}: say contract={before}, or go back to a release that is proven"]
    return []


def notes(before: Terms | None, now: Terms) -> list[str]:
    """Return what others will notice, for people: what goes with a new contract, or on the way back, and whether they were told."""
    if before is None:
        return []
    told = {name: "deprecated" if name in before.deprecated else "never deprecated" for name in before.things}
    found = [f"contract {now.contract}: {name}: {why} ({told[name]})" for name, why in lost(before, now).items()]
    lower = [f"contract {now.contract}: others were promised {before.contract}"] if now.contract < before.contract else []
    return lower + found


def leaving(terms: Terms, uses: Sequence[str]) -> list[str]:
    """Return a sentence for each thing in use that will go."""
    return [f"{name} goes with contract {terms.contract + 1}: {terms.deprecated[name]}" for name in uses if name in terms.deprecated]
