"""The header of a migration: comment lines at the top, `-- key: value` each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from sluice.core.migration.script import Backfill, Query, Wrong, late, split
from sluice.core.settings.duration import seconds
from sluice.core.settings.problem import nearest

LINE = re.compile(r"--\s*([a-z_]+):\s*(.*)")
# PostgreSQL's own units beside ours.
MINUTES = re.compile(r"(\d+(?:\.\d+)?)min")
PHASES = ("expand", "contract")
WAYS = ("reversible", "lossy", "restore-only")
# What may be said several times.
MANY = ("precheck", "verify")
# What a down file cannot say: the up file has said it.
UP = ("phase", "way", "backfill")


def read(text: str) -> tuple[dict[str, Any], list[str]]:
    """Return what a header says, and every problem with its line; `precheck` and `verify` are tuples of queries."""
    found: dict[str, Any] = {}
    problems = []
    for line, key, value in _lines(text):
        try:
            _add(found, key, value)
        except ValueError as error:
            problems.append(f"line {line}: {error}")
    return found, problems + list(_misplaced(text))


def _lines(text: str) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.startswith("--"):
            return
        if said := LINE.fullmatch(line.strip()):
            yield number, said[1], said[2].strip()


def _add(found: dict[str, Any], key: str, value: str) -> None:
    if key not in KEYS:
        near = nearest(key, KEYS)
        raise ValueError(f"unknown key '{key}'" + (f", did you mean '{near}'?" if near else f": known are {', '.join(KEYS)}"))
    if key in found and key not in MANY:
        raise ValueError(f"'{key}' is there twice: keep one")
    read = KEYS[key](value)
    found[key] = (*found.get(key, ()), read) if key in MANY else read


def _misplaced(text: str) -> Iterator[str]:
    """A line of the header below the first statement would be a comment that nobody obeys."""
    top = next((number for number, line in enumerate(text.split("\n"), 1) if line.strip() and not line.startswith("--")), 0)
    # A text that is no SQL at all is told by whoever splits it.
    with suppress(Wrong):
        for line, comment in late(text, top) if top else ():
            said = LINE.match(comment)
            if said and said[1] in KEYS:
                yield f"line {line}: '{said[1]}' stands below the first statement, where it is not read: move it to the top"


def _one(words: tuple[str, ...]) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in words:
            raise ValueError(f"'{value}' is none of {', '.join(words)}")
        return value

    return read


def duration(value: str) -> float:
    """Return seconds of '2s', '500ms', or PostgreSQL's '30min'; ValueError else. 0 would mean for ever, so it is refused."""
    wait = seconds(MINUTES.sub(r"\1m", value))
    if not wait:
        raise ValueError("0 would wait for ever: write how long, as '2s'")
    return wait


def _duration(value: str) -> float:
    try:
        return duration(value)
    except ValueError as error:
        text = str(error)
        raise ValueError(text if text.startswith("0 ") else f"'{value}' {text}") from None


def _query(value: str) -> Query:
    name, colon, sql = value.partition(":")
    if not colon or not re.fullmatch(r"[\w -]+", name):
        raise ValueError(f"'{value}' is no '<name>: <SELECT that must have no row>'")
    return Query(name=name.strip(), sql=select(sql))


def select(sql: str) -> str:
    """Return a text that is one SELECT, without its semicolon; ValueError else."""
    try:
        found = split(sql)
    except Wrong as error:
        raise ValueError(str(error).partition(": ")[2]) from None
    if [type(node).__name__ for _, node in found] != ["SelectStmt"]:
        raise ValueError(f"'{sql.strip()}' is not one SELECT")
    return found[0][0].sql


def _backfill(value: str) -> Backfill:
    parts = [part.partition("=") for part in value.split()]
    unknown = [name for name, _, _ in parts if name not in ("batch", "pause")]
    if unknown or not all(given for _, _, given in parts):
        raise ValueError(f"'{value}' is not of the form 'batch=1000 pause=50ms'")
    return _filled({name: given for name, _, given in parts})


def _filled(given: dict[str, str]) -> Backfill:
    batch = given.get("batch", str(Backfill().batch))
    if not re.fullmatch(r"[1-9]\d{0,8}", batch):
        raise ValueError(f"batch '{batch}' is no number of rows")
    pause = given.get("pause")
    return Backfill(batch=int(batch), pause=Backfill().pause if pause is None else seconds(pause))


KEYS: dict[str, Callable[[str], Any]] = {
    "phase": _one(PHASES),
    "way": _one(WAYS),
    "transaction": _one(("none",)),
    "lock_timeout": _duration,
    "statement_timeout": _duration,
    "backfill": _backfill,
    "precheck": _query,
    "verify": _query,
    "loses": select,
}
