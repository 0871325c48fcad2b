"""Migrations as files: `0007_user_sync.sql`, and `0007_user_sync.down.sql` for the way back."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from sluice.core.errors import ConfigError
from sluice.core.migration import header, kind
from sluice.core.migration.script import Script, Statement, Wrong, filled, split
from sluice.core.rank import Rank, rank
from sluice.core.value import Value

NAME = re.compile(r"([0-9A-Za-z]+)(_[0-9A-Za-z_.-]*)?")
UP, DOWN = ".sql", ".down.sql"
Phase = Literal["expand", "contract"]
Way = Literal["reversible", "lossy", "restore-only"]


class Migration(Value):
    """One step of a database's schema: `id` is its revision, `up` and `down` the texts, `sha256` is over both.

    Of an Alembic revision the texts are what it renders without a connection; `unseen` says why that is not all of it, and `files`
    has the SHA-256 of its file and of all the team's code that was loaded beside it.
    """

    id: str
    name: str
    phase: Phase
    way: Way
    forward: Script
    back: Script | None
    loses: str
    up: str
    down: str
    sha256: str
    kind: Literal["sql", "alembic"] = "sql"
    unseen: str = ""
    files: dict[str, str] = Field(default_factory=dict)

    @property
    def key(self) -> str:
        """Return what a duration is known by."""
        return key(self.name, self.sha256)


def key(name: str, sha256: str) -> str:
    """Return a migration's name with its text's beginning of a SHA-256: what another text of that name took says nothing."""
    return f"{name}@{sha256[:12]}"


def ranked(migration: Migration) -> Rank:
    """Return the rank of a migration."""
    return rank(migration.id)


def folder(texts: Mapping[str, str]) -> list[Migration]:
    """Read the files of a folder, name to text, in order; ConfigError has every problem of all of them."""
    names = sorted(name for name in texts if name.endswith(UP))
    ups = [name for name in names if not name.endswith(DOWN)]
    found, problems = [], list(_orphans(names, ups))
    for name in ups:
        try:
            found.append(parse(name.removesuffix(UP), texts[name], texts.get(name.removesuffix(UP) + DOWN)))
        except ConfigError as error:
            problems += error.problems
    problems += _doubles(ups)
    if problems:
        raise ConfigError(problems)
    return sorted(found, key=ranked)


def _orphans(names: Iterable[str], ups: Sequence[str]) -> Iterator[str]:
    for name in names:
        up = name.removesuffix(DOWN) + UP
        if name.endswith(DOWN) and up not in ups:
            yield f"{name}: goes back from nothing: there is no {up}"


def _doubles(ups: Sequence[str]) -> Iterator[str]:
    seen: dict[Rank, str] = {}
    for name in ups:
        place = rank(name.removesuffix(UP).partition("_")[0])
        if place in seen:
            yield f"{name}: has the same number as {seen[place]}: give one of them the next free number"
        seen.setdefault(place, name)


def parse(name: str, text: str, down: str | None = None) -> Migration:
    """Read one migration; `name` is the file's without .sql. ConfigError has every problem, each beginning with file and line."""
    up, back = _lines(text), _lines(down) if down is not None else None
    problems = [] if NAME.fullmatch(name) else [f"{name}{UP}: is not named like 0007_user_sync.sql"]
    head, forward = _script(name + UP, up, problems)
    tail, reverse = _script(name + DOWN, back, problems, down=True) if back is not None else ({}, None)
    way = head.get("way", "reversible" if back is not None else "restore-only")
    loses = tail.get("loses", head.get("loses", ""))
    problems += [f"{name}{UP}: {text}" for text in _contradictions(way, back, loses)]
    if problems or forward is None:
        raise ConfigError(problems)
    facts = {"id": name.partition("_")[0], "name": name, "phase": head.get("phase", "expand"), "way": way, "loses": loses}
    return Migration(**facts, forward=forward, back=reverse, up=up, down=back or "", sha256=digest(up, back or ""))


def _lines(text: str) -> str:
    """Normalise line ends, so that a checkout on another system has the same digest."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def digest(up: str, down: str) -> str:
    """Return the SHA-256 of a migration."""
    return hashlib.sha256(f"{up}\0{down}".encode()).hexdigest()


def _contradictions(way: str, down: str | None, loses: str) -> Iterator[str]:
    if way != "restore-only" and down is None:
        yield f"is said to be {way}, but there is no {DOWN} file beside it: write one, or '-- way: restore-only'"
    if way == "restore-only" and down is not None:
        yield f"is said to be restore-only, but there is a {DOWN} file beside it: remove one of the two"
    if loses and way != "lossy":
        yield f"has 'loses', but is {way}: write '-- way: lossy'"


def _script(file: str, text: str, problems: list[str], *, down: bool = False) -> tuple[dict[str, Any], Script | None]:
    if "\0" in text:
        # The parser would end there, and everything after it would never be looked at.
        problems.append(f"{file}: line {text[: text.index(chr(0))].count(chr(10)) + 1}: has a NUL character: save it as UTF-8 text")
        return {}, None
    head, wrong = header.read(text)
    wrong += [f"'{key}' belongs into the up file" for key in header.UP if down and key in head]
    found: list[tuple[Statement, Any]] = []
    try:
        found = split(filled(text, head["backfill"].batch) if "backfill" in head else text)
        wrong += _wrongs(head, found)
    except Wrong as error:
        wrong.append(str(error))
    problems += [f"{file}: {text}" for text in wrong]
    return head, None if wrong else _made(head, [one for one, _ in found])


def _made(head: Mapping[str, Any], statements: Sequence[Statement]) -> Script:
    limits = {key: head[key] for key in ("lock_timeout", "statement_timeout", "backfill") if key in head}
    queries = {"prechecks": head.get("precheck", ()), "verifies": head.get("verify", ())}
    return Script(statements=tuple(statements), transactional=not {"transaction", "backfill"} & set(head), **limits, **queries)


def _wrongs(head: Mapping[str, Any], found: Sequence[tuple[Statement, Any]]) -> list[str]:
    wrong = [] if found else ["line 1: has no statement"]
    wrong += [f"line {one.line}: '{one.words}' {why}" for one, node in found if (why := kind.refusal(node))]
    if not {"transaction", "backfill"} & set(head):
        why = "cannot run in a transaction: write '-- transaction: none' at the top"
        wrong += [f"line {one.line}: '{one.words}' {why}" for one, _ in found if one.alone]
    return wrong + list(_unfit(found) if "backfill" in head else ())


def _unfit(found: Sequence[tuple[Statement, Any]]) -> Iterator[str]:
    if len(found) != 1:
        yield f"line 1: a backfill repeats one statement, and here are {len(found)}: give each a file of its own"
    for one, node in found[:1]:
        if not isinstance(node, kind.WRITES):
            yield f"line {one.line}: '{one.words}' changes no rows: a backfill is an UPDATE, INSERT or DELETE"
        elif not kind.limited(node):
            yield f"line {one.line}: '{one.words}' has no LIMIT, so one batch is all rows: choose them in a subquery with LIMIT :batch"
