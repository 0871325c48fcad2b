"""What is wrong with settings, in sentences: a path, what is there, and what to do about it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from sluice.core.settings.kind import WHOLE
from sluice.core.settings.tree import Place, at, named, owner, path
from sluice.core.value import Value

# A value is shown to be recognised, not to be read.
SHOWN = 60
# Whoever puts a secret into config by mistake shall not find it in a log as well.
SECRETIVE = r"(?i)url|pass|secret|token|key|credential|auth|private"
# The keys of which the value may stand in the place of the whole map.
SHORT = ("weight", "after")
BOOL = "is neither true nor false"
HIDDEN = "this value (not shown)"
Details = Mapping[str, Any]


@dataclass(frozen=True)
class Problem:
    """One thing to mend. `rule` names the rule between keys that found it, and is empty when the value alone is wrong."""

    path: str
    text: str
    rule: str = ""

    @property
    def line(self) -> str:
        """Return it as people read it."""
        return f"{self.path}: {self.text}"


def shown(value: Any, place: Place = ()) -> str:
    """Write a value of config, unless its place or its looks speak against it."""
    leaf = next((part for part in reversed(place) if isinstance(part, str)), "")
    if "settings" in place or re.search(SECRETIVE, leaf) or (isinstance(value, str) and "://" in value):
        return HIDDEN
    if not isinstance(value, str):
        return sort(value)
    return repr(value if len(value) <= SHOWN else f"{value[: SHOWN - 1]}…")


def sort(value: Any) -> str:
    """Write what sort of value it is: a text in the place of a map may hold anything."""
    if isinstance(value, Mapping):
        return "a map"
    if isinstance(value, str | list):
        return "text" if isinstance(value, str) else "a list"
    return json.dumps(value) if isinstance(value, bool | float) else str(value)[:SHOWN]


def told(root: str, model: type[Value], data: Any, error: ValidationError) -> Iterator[Problem]:
    """Turn what pydantic found into sentences of our own."""
    for one in error.errors(include_url=False, include_input=False):
        # Where a name in a map is wrong, pydantic adds a word of its own.
        place = [part for part in one["loc"] if part != "[key]"]
        if one["type"] == "invalid_key":
            yield Problem(path(root, place[:-1]), "has a key that is no text (YAML may read off as false): put it in quotes")
            continue
        yield Problem(path(root, place), _sentence(root, model, data, place, one))


def _sentence(root: str, model: type[Value], data: Any, place: Place, one: Any) -> str:
    kind, details = one["type"], one.get("ctx", {})
    if kind == "missing":
        return f"is missing; run: pulumi config set --path {shlex.quote(path(root, place))} {str(place[-1]).upper()}"
    if kind == "extra_forbidden":
        return unknown(str(place[-1]), named(owner(model, place[:-1])), path(root, place))
    if "[key]" in one["loc"]:
        return f"{place[-1]!r} {SENTENCES[kind](details)}"
    value = _value(data, place)
    sentence = SENTENCES[kind](details)
    return f"{sort(value) if kind in SHAPES else shown(value, place)} {sentence}{_quotes(value, sentence)}"


def _quotes(value: Any, sentence: str) -> str:
    """Say where quotes alone are wrong: `pulumi config set` writes those that YAML needs, and keeps those of a value that it replaces."""
    if not isinstance(value, str):
        return ""
    if re.fullmatch(r"""(["']).*\1""", value):
        return "; leave these quotes out: `pulumi config set` writes those that YAML needs"
    right = value in ("true", "false") if sentence == BOOL else value.isdecimal() and sentence == WHOLE
    return ", since it is in quotes, which `pulumi config set` keeps: take them out of the stack's file" if right else ""


def _value(data: Any, place: Place) -> Any:
    """Return what config has there; a step or mark in short form has its one key's value one level up."""
    found = at(data, place)
    return at(data, place[:-1]) if found is None and place and place[-1] in SHORT else found


def unknown(name: str, known: Mapping[str, Any], where: str) -> str:
    """Say that a name is not known, and which one may be meant."""
    near = nearest(name, known)
    if near:
        return f"unknown key, did you mean '{near}'?"
    return f"unknown key: known are {', '.join(known)}; run: pulumi config rm --path {shlex.quote(where)}"


def nearest(name: str, known: Mapping[str, Any]) -> str | None:
    """Return the known name that is most like another one."""
    # Only who has made a mistake pays for it.
    from difflib import get_close_matches

    return next(iter(get_close_matches(name.lower(), known, n=1)), None)


def _items(count: int) -> str:
    return f"{count} item{'s' if count != 1 else ''}"


SHAPES = ("model_type", "dict_type", "list_type")
# Pydantic's kinds of errors that these models can come to: a test tries each.
SENTENCES: Mapping[str, Callable[[Details], str]] = {
    "value_error": lambda details: str(details["error"]),
    "bool_type": lambda _: BOOL,
    "literal_error": lambda details: f"is none of {details['expected'].replace(' or ', ', ')}",
    "enum": lambda details: f"is none of {details['expected'].replace(' or ', ', ')}",
    "greater_than": lambda details: f"is not above {details['gt']:g}",
    "greater_than_equal": lambda details: f"is below {details['ge']:g}, the least",
    "less_than": lambda details: f"is not below {details['lt']:g}",
    "less_than_equal": lambda details: f"is above {details['le']:g}, the most",
    "too_short": lambda details: f"has fewer than {_items(details['min_length'])}",
    "too_long": lambda details: f"has {_items(details['actual_length'])}, more than {details['max_length']}",
    "model_type": lambda _: "is not a map of keys",
    "dict_type": lambda _: "is not a map of names",
    "list_type": lambda _: "is not a list",
}
