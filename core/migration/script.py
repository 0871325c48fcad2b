"""A script: statements split by PostgreSQL's own parser, so that quotes, dollar quotes, comments and bodies are safe."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from pglast import parse_sql
from pglast.parser import ParseError, scan

from sluice.core.migration import kind
from sluice.core.value import Value

# A lock that does not come within two seconds would make every reader queue behind it.
LOCK = 2.0
# Longer than any reasonable index build, shorter than a night.
STATEMENT = 1800.0
# First words are shown to be recognised, not to be read.
SHOWN = 60
TEXT = re.compile(r"'(?:[^']|'')*(?:'|$)|\$(\w*)\$.*?(?:\$\1\$|$)", re.DOTALL)
COMMENTS = ("SQL_COMMENT", "C_COMMENT")


def words(sql: str) -> str:
    """Return the first words of a statement on one line, texts left out: one may be a password, or a person."""
    line = " ".join(TEXT.sub("'…'", sql).split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"


class Statement(Value):
    """One statement, with the line of its file.

    `alone`: the server refuses it in a transaction; `commits`: it may commit by itself; `repeatable`: may be sent again after a
    crash; `patient`: nobody queues behind it while it waits for a lock; `setting`: changes the session, for what follows.
    """

    sql: str
    line: int
    alone: bool = False
    commits: bool = False
    repeatable: bool = False
    patient: bool = False
    setting: bool = False
    # A failed CREATE INDEX CONCURRENTLY leaves an invalid index: its table as SQL, and its bare name.
    table: str = ""
    index: str = ""

    @property
    def words(self) -> str:
        """Return the first words, on one line."""
        return words(self.sql)


class Query(Value):
    """A question with a name, right when it has no row."""

    name: str
    sql: str


class Backfill(Value):
    """One statement, repeated until it changes no row: rows at once, and seconds between."""

    batch: int = 1000
    pause: float = 0.05


class Script(Value):
    """What runs in one direction; the limits are in seconds."""

    statements: tuple[Statement, ...]
    transactional: bool = True
    lock_timeout: float = LOCK
    statement_timeout: float = STATEMENT
    prechecks: tuple[Query, ...] = ()
    verifies: tuple[Query, ...] = ()
    backfill: Backfill | None = None


class Wrong(ValueError):
    """Text that is no script: one problem, with its line."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(f"line {line}: {text}")


def split(text: str) -> list[tuple[Statement, Any]]:
    """Return the statements of a text with their parse trees; Wrong when it is no SQL."""
    return [_statement(text, *_place(text, one), one.stmt) for one in _parsed(text)]


def _parsed(text: str, read: Callable[[str], Any] = parse_sql) -> Any:
    try:
        return read(text)
    except ParseError as error:
        raise _wrong(text, str(error.args[0]), error.args[1] if len(error.args) > 1 else 0) from None


def _place(text: str, one: Any) -> tuple[int, int]:
    """Return the first character and the one after the last; a length of 0 means to the end."""
    return one.stmt_location, one.stmt_location + one.stmt_len if one.stmt_len else len(text)


def _statement(text: str, begin: int, end: int, node: Any) -> tuple[Statement, Any]:
    piece = text[begin:end]
    first = next(token.start for token in scan(piece) if token.name not in COMMENTS)
    table, index = kind.index(node)
    line = text.count("\n", 0, begin + first) + 1
    traits = {"alone": kind.alone(node), "commits": kind.commits(node), "repeatable": kind.repeatable(node)}
    traits |= {"patient": kind.concurrent(node), "setting": kind.setting(node)}
    return Statement(sql=piece[first:].rstrip(), line=line, table=table, index=index, **traits), node


def _wrong(text: str, message: str, at: int) -> Wrong:
    if text[at : at + 1] == "\\":
        return Wrong(text.count("\n", 0, at) + 1, "a command of psql: only SQL runs here, so write what it would include")
    begin = text.rfind("\n", 0, at) + 1
    shown = text[begin:].partition("\n")[0]
    column = at - begin
    # A tab must stay one, or the caret would point elsewhere.
    caret = "".join("\t" if letter == "\t" else " " for letter in shown[:column]) + "^"
    return Wrong(text.count("\n", 0, at) + 1, f"column {column + 1}: {message}\n    {shown}\n    {caret}")


def filled(text: str, batch: int) -> str:
    """Put the number of rows in the place of each `:batch` that is no part of a text, a comment or a cast."""
    tokens, pieces, done = _parsed(text, scan), [], 0
    for colon, name in pairwise(tokens):
        if colon.name == "ASCII_58" and name.start == colon.end + 1 and text[name.start : name.end + 1] == "batch":
            pieces += [text[done : colon.start], str(batch)]
            done = name.end + 1
    return "".join([*pieces, text[done:]])


def late(text: str, since: int) -> Iterator[tuple[int, str]]:
    """Yield the comments of a text that begin after a line, each with its line."""
    for token in _parsed(text, scan):
        line = text.count("\n", 0, token.start) + 1
        if token.name == "SQL_COMMENT" and line > since:
            yield line, text[token.start : token.end + 1]
