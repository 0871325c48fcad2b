"""Logs: what a service wrote, one JSON object a line, since a time or since a place in the file.

Questions, and what each answers (runbook 004: "No error logs in first 30 seconds", "Check error rates", "Check request latency",
"Structured logs showing trace IDs"):
    logs.count      how many lines match `level`, `where` and `pattern`, all that are given
    logs.ratio      their share of all lines
    logs.quantile   the `quantile` (0.95) of the number `field` among the lines that match, times `scale` (0.001: ms to s)
    logs.field      the share of the lines that match which have `field`, and not empty

Parameters: `path`, a file with its rotated ones (path.1, path.2, ...), a folder of *.log, or a container (`docker:NAME`); `since` in
epoch seconds, compared with each line's time, or `last`, so many seconds back from now; `offset`, the size in bytes that the file had
then; `level` (that one or worse); `pattern`, a regular expression; `where`, fields and their values. A field in an object in a line is
written `request.status`.

Only `pattern` sees lines that are not JSON; they are no lines to a question without one. A line without a time belongs to the last
one before it that has one. No lines at all is no data: a silent service is not a healthy one. A missing file is Unreachable.
"""

from __future__ import annotations

import json
import math
import re
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sluice.core.errors import Unreachable
from sluice.core.question import Question, expect
from sluice.core.reading import NoData, Number, Reading
from sluice.systems.process import CONTAINER
from sluice.systems.tail import backwards

FILTER = ("since", "last", "offset", "level", "pattern", "where")
QUESTIONS = {
    "logs.count": Question(("path",), FILTER),
    "logs.ratio": Question(("path",), FILTER),
    "logs.quantile": Question(("path", "field"), (*FILTER, "quantile", "scale")),
    "logs.field": Question(("path", "field"), FILTER),
}

QUANTILE = 0.95
# Threads write their lines a little out of order: reading backwards goes on this far past `since`, in seconds.
SLACK = 5.0
# The names under which loggers write a line's time and level.
TIMES = ("time", "timestamp", "ts", "@timestamp")
LEVELS = ("level", "severity", "levelname")
RANK = {
    "trace": 0, "debug": 1, "info": 2, "notice": 3, "warn": 4, "warning": 4, "error": 5, "critical": 6, "fatal": 6, "panic": 6,
}  # fmt: skip
# A number as large as this is in milliseconds: in seconds it would be the year 5138.
MILLISECONDS = 1e11

Fields = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """One line: its text, and its fields if it is JSON."""

    text: str
    fields: Fields | None

    @property
    def at(self) -> float | None:
        """Return the line's time in epoch seconds, None when it has none that can be read."""
        found = [self.fields[name] for name in TIMES if name in self.fields] if self.fields else []
        return _epoch(found[0]) if found else None


def ask(question: str, of: Mapping[str, Any], timeout: float) -> Reading:
    """Ask one log; `timeout` in seconds."""
    expect(question, of, QUESTIONS)
    matches = _filter(of)
    lines = _lines(of, time.monotonic() + timeout, timeout)
    try:
        return _answer(question, of, lines if "pattern" in of else (line for line in lines if line.fields is not None), matches)
    except OSError as error:
        raise Unreachable(f"log '{of['path']}' cannot be read: {(error.strerror or str(error)).lower()}") from None


def _answer(question: str, of: Mapping[str, Any], lines: Iterable[Line], matches: Callable[[Line], bool]) -> Reading:
    if question == "logs.quantile":
        return _quantile(of, filter(matches, lines))
    if question == "logs.field":
        return _share(filter(matches, lines), lambda line: _value(line, of["field"]) not in (None, ""), f"have '{of['field']}'")
    return _share(lines, matches, "match") if question == "logs.ratio" else _count(lines, matches)


def _count(lines: Iterable[Line], matches: Callable[[Line], bool]) -> Reading:
    found, total = _tally(lines, matches)
    return Number(value=float(found), samples=total, evidence=f"of {total} lines") if total else NoData("no lines")


def _share(lines: Iterable[Line], counts: Callable[[Line], bool], what: str) -> Reading:
    found, total = _tally(lines, counts)
    return Number(value=found / total, samples=total, evidence=f"{found} of {total} lines {what}") if total else NoData("no lines")


def _tally(lines: Iterable[Line], counts: Callable[[Line], bool]) -> tuple[int, int]:
    found = total = 0
    for line in lines:
        total += 1
        found += counts(line)
    return found, total


def _quantile(of: Mapping[str, Any], lines: Iterable[Line]) -> Reading:
    share = float(of.get("quantile", QUANTILE))
    if not 0 < share <= 1:
        raise ValueError(f"quantile {share:g} is not above 0 and up to 1")
    values = array("d", (value for line in lines if (value := _number(_value(line, of["field"]))) is not None))
    if not values:
        return NoData(f"no line with a number in '{of['field']}'")
    ordered = sorted(values)
    # The nearest rank: a value that was seen, not one in between (NIST e-Handbook 7.2.6.2 lists both).
    rank = math.ceil(share * len(ordered))
    return Number(value=ordered[rank - 1] * float(of.get("scale", 1)), samples=len(ordered), evidence=f"of {len(ordered)} lines")


def _filter(of: Mapping[str, Any]) -> Callable[[Line], bool]:
    """Return what says whether a line matches everything that was given; ValueError for a level or pattern that is none."""
    pattern, least, where = _pattern(of.get("pattern")), _least(of.get("level")), of.get("where", {})

    def matches(line: Line) -> bool:
        return (
            (pattern is None or pattern.search(line.text) is not None)
            and (least is None or _rank(line) >= least)
            and all(_value(line, name) == value for name, value in where.items())
        )

    return matches


def _pattern(pattern: str | None) -> re.Pattern[str] | None:
    try:
        return None if pattern is None else re.compile(pattern)
    except re.error as error:
        raise ValueError(f"pattern '{pattern}' is not a regular expression: {error}") from None


def _least(level: str | None) -> int | None:
    if level is None:
        return None
    if level.lower() not in RANK:
        raise ValueError(f"unknown level '{level}': known are {', '.join(RANK)}")
    return RANK[level.lower()]


def _rank(line: Line) -> int:
    names = [line.fields[name] for name in LEVELS if name in line.fields] if line.fields else []
    return RANK.get(str(names[0]).lower(), -1) if names else -1


def _value(line: Line, field: str) -> Any:
    if line.fields is None or field in line.fields:
        return line.fields and line.fields[field]
    value: Any = line.fields
    for name in field.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _lines(of: Mapping[str, Any], until: float, timeout: float) -> Iterator[Line]:
    since, late = _begin(of), f"reading '{of['path']}' took longer than {timeout:g} s"
    with _found(str(of["path"]), since, timeout) as paths:
        for path in paths:
            lines = map(_parsed, _timed(backwards(path, offset=int(of.get("offset", 0))), until, late))
            yield from lines if since is None else _since(lines, since)


def _begin(of: Mapping[str, Any]) -> float | None:
    """Return from when on lines count, None for all of them."""
    if "last" not in of:
        return None if of.get("since") is None else float(of["since"])
    if "since" in of or float(of["last"]) <= 0:
        raise ValueError(f"last {float(of['last']):g} is not above 0" if "since" not in of else "takes 'since' or 'last', not both")
    return time.time() - float(of["last"])


@contextmanager
def _found(path: str, since: float | None, timeout: float) -> Iterator[list[Path]]:
    """Return the files of a log; a container's is with the engine, which knows when each line came."""
    if not path.startswith(CONTAINER):
        yield _files(Path(path))
        return
    from sluice.systems import docker

    with docker.log(path.removeprefix(CONTAINER), None if since is None else since - SLACK, timeout) as file:
        yield [file]


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(path.glob("*.log"))
    if not path.exists():
        raise Unreachable(f"log '{path}' does not exist")
    return [path]


def _timed(texts: Iterable[str], until: float, late: str) -> Iterator[str]:
    for text in texts:
        if time.monotonic() > until:
            raise Unreachable(late)
        yield text


def _parsed(text: str) -> Line:
    try:
        fields = json.loads(text)
    except ValueError:
        fields = None
    return Line(text, fields if isinstance(fields, dict) else None)


def _since(lines: Iterable[Line], since: float) -> Iterator[Line]:
    """Take lines, newest first, until they are older; those without a time wait for the one that they follow."""
    waiting: list[Line] = []
    for line in lines:
        at = line.at
        if at is None:
            waiting.append(line)
            continue
        if at >= since:
            yield from (*waiting, line)
        elif at < since - SLACK:
            return
        waiting = []
    # The file's first lines follow nothing: they are as new as the file.
    yield from waiting


def _epoch(value: Any) -> float | None:
    if isinstance(value, int | float):
        return value / 1000 if value > MILLISECONDS else float(value)
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
