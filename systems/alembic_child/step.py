"""One revision in one direction: what it sends is looked at before, and what of it stays is written down with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any, NoReturn

from sluice.systems.alembic_child.error import Stopped
from sluice.systems.alembic_child.files import prints
from sluice.systems.alembic_child.lines import Lines

# Rows are changed often, and have nothing that must not be rehearsed.
ROWS = re.compile(r"\s*(select|insert|update|delete|with|show|commit)\b", re.IGNORECASE)
COMMIT = re.compile(r"\s*commit\b", re.IGNORECASE)
# SQLAlchemy itself asks so for settings.
SHOW = re.compile(r"\s*show\b", re.IGNORECASE)
TEXT = re.compile(r"'(?:[^']|'')*(?:'|$)|\$(\w*)\$.*?(?:\$\1\$|$)", re.DOTALL)
SHOWN = 60


class Step:
    """One revision in one direction, on the one connection."""

    def __init__(self, lines: Lines, connection: Any, asked: Mapping[str, Any], loaded: Callable[[], set[str]]) -> None:
        self.lines, self.connection, self.asked, self.loaded = lines, connection, asked, loaded
        self.told = set(asked["files"])
        self.at, self.sql, self.open, self.over = 0, "", False, False
        self.own, self.stop = "", ""
        # What SQLAlchemy has announced and its cursor will tell again; and whether it is we who send.
        self.announced, self.ours = "", False

    def within(self, do: Callable[..., Any]) -> Callable[..., Any]:
        """Return the revision's function, which begins with a doubt in its own transaction: only its end takes that away."""

        @wraps(do)
        def begun(*given: Any, **words: Any) -> Any:
            self._same()
            self.own = self._now()
            # Who ends this transaction by a way that nobody sees leaves it behind, whoever dies with it.
            self._raw(self.connection, self.asked["doing"], {"id": self.asked["revision"], "number": 1, "error": ""}, one=True)
            return do(*given, **words)

        return begun

    def _same(self) -> None:
        """See that all files are those of the plan, also those that are only loaded on the way."""
        now = prints(self.asked["files"])
        if other := [file for file, print in self.asked["files"].items() if now[file] != print]:
            self._end(f"'{other[0]}' has changed since this was planned")

    def _now(self) -> str:
        with self._cursor(self.connection) as cursor:
            cursor.execute("select pg_current_xact_id()::text")
            return str(cursor.fetchone()[0])

    @contextmanager
    def _cursor(self, connection: Any) -> Iterator[Any]:
        self.ours = True
        try:
            with connection.connection.cursor() as cursor:
                yield cursor
        finally:
            self.ours = False

    def _broken(self) -> NoReturn:
        self.over = self.open = True
        self._end("it has ended its own transaction by a way that nobody sees: an `autocommit_block` is seen")

    def _on(self) -> None:
        """Come no further once stopped, whatever the revision has caught."""
        if self.stop:
            self._end(self.stop)

    def _end(self, why: str) -> NoReturn:
        self.stop = self.stop or why
        raise Stopped(self.stop)

    @property
    def said(self) -> str:
        """Return the first words of the statement at work, texts left out: one may be a password, or a person."""
        line = " ".join(TEXT.sub("'…'", self.sql).split())
        return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"

    def raw(self, sql: str) -> None:
        """Ask before what is sent past SQLAlchemy, too."""
        if self.ours or (SHOW.match(sql) and ";" not in sql):
            return
        if sql != self.announced:
            self.before(self.connection, sql)
        self.announced = ""

    def before(self, connection: Any, sql: str) -> None:
        """Ask before a statement that is more than rows, and write down one that stays whatever comes."""
        self._on()
        self.announced = sql
        self.at, self.sql = self.at + 1, sql
        alone = connection.connection.dbapi_connection.autocommit
        if self.own and not (alone or self.open or self.over or connection.connection.dbapi_connection.info.transaction_status):
            self._broken()
        # What commits by itself, and what may be several statements, is asked for too.
        if alone or ";" in sql or not ROWS.match(sql):
            self._ask({"ask": "statement", "sql": sql})
        if alone:
            self._mark(connection)
            if "concurrently" in sql.lower():
                # It waits for old transactions to end, and nobody queues behind it.
                self._raw(connection, "select set_config('lock_timeout', %(wait)s, false)", {"wait": self.asked["patience"]})
        elif COMMIT.match(sql):
            self._mark(connection)

    def after(self, connection: Any, sql: str) -> None:
        """Wait no longer for locks than before."""
        if "concurrently" in sql.lower() and connection.connection.dbapi_connection.autocommit:
            self._raw(connection, "select set_config('lock_timeout', %(wait)s, false)", {"wait": self.asked["lock"]})

    def commit(self, connection: Any) -> None:
        """Write down, with a part of a revision that stays, that it does."""
        self._on()
        if not self.over:
            self.at += 1
            self._mark(connection)
            self.at -= 1

    def _ask(self, said: Mapping[str, Any]) -> None:
        # What is stopped, or is asking for its end, commits no part of itself any more.
        self.over = True
        try:
            self.lines.ask(said)
        except Stopped as stop:
            self._end(str(stop))
        self.over = False

    def _late(self) -> None:
        """Tell what was loaded or read only on the way, before anything stays."""
        if found := prints(self.loaded() - self.told):
            self._ask({"ask": "late", "files": found})
            self.told |= set(found)

    def _mark(self, connection: Any) -> None:
        self._late()
        self.open = True
        self._raw(connection, self.asked["doing"], {"id": self.asked["revision"], "number": max(self.at, 1), "error": self.said})

    def apply(self, **_: Any) -> None:
        """Change the history in the transaction of the revision, the last thing before it ends."""
        self._on()
        self._same()
        if not self.open and self._now() != self.own:
            self._broken()
        self._late()
        self._ask({"ask": "commit"})
        self._raw(self.connection, self.asked["end"], self.asked["given"], one=True)
        self.over = True

    def _raw(self, connection: Any, query: str, given: Mapping[str, Any], *, one: bool = False) -> None:
        with self._cursor(connection) as cursor:
            cursor.execute(query, given)
            if one and cursor.rowcount != 1:
                self._end("the row of this revision in sluice_history.migration is not as this run left it: another run is at work")
