"""Chosen rows come back from a backup into the live database, while whatever writes them is paused. Pure.

    pause -> wait -> mend (in one transaction: rows, keys, sequences, verify) -> resume

Runbook 003, "Gradual Rollback". Who is killed leaves a row that says how far it came, and the same order goes on from there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Literal

from sluice.core.errors import ConfigError
from sluice.core.migration.header import select
from sluice.core.settings.duration import seconds
from sluice.core.value import Value

# `begun`: rows are as they were, the flag may be switched. `mended`: rows are back, the flag waits. Both ends are final.
State = Literal["begun", "mended", "done", "left"]
# Quoted or plain, with or without its schema.
NAME = re.compile(r'\s*((?:"[^"]+"|\w+)(?:\.(?:"[^"]+"|\w+))?)\s*:\s(.*)', re.DOTALL)
# Rows of these schemas say what this very database is, and where its files are.
OWN = ("pg_catalog.", "information_schema.", "pg_toast.", "sluice_history.")
# What a foreign key does to other rows when a row goes (pg_constraint.confdeltype).
TAKES = {"c": "are deleted with them", "n": "lose their reference", "d": "lose their reference"}


class Step(StrEnum):
    """What a repair does, in this order."""

    PAUSE = "pause"
    WAIT = "wait"
    MEND = "mend"
    RESUME = "resume"


class Part(Value):
    """The rows of a table that come back: those for which `where`, an SQL condition, holds in the backup; "" all of them."""

    table: str
    where: str = ""


class Repair(Value):
    """What is asked for. `flag` is switched to `on` meanwhile; `in_flight` is a SELECT that has a row, or a number, while work goes on;
    each of `verify` must have no row, or one that is true, before anything is kept.

    `remove` takes away what is there and not in the backup; `triggers` lets the team's own triggers run.
    """

    backup: str
    parts: tuple[Part, ...]
    flag: str = ""
    on: bool = True
    in_flight: str = ""
    verify: tuple[str, ...] = ()
    remove: bool = False
    triggers: bool = False


class Change(Value):
    """How many rows of a table come, change, and are there without being in the backup."""

    add: int = 0
    change: int = 0
    extra: int = 0

    def some(self, *, remove: bool) -> bool:
        """Say whether anything is to be done."""
        return bool(self.add or self.change or (remove and self.extra))


class Row(Value):
    """A repair as the database has written it down; `was` is what the flag was before, None where it was not set."""

    id: int
    repair: Repair
    state: State
    was: bool | None = None
    changes: dict[str, Change] = {}


class Table(Value):
    """A table as it is: its name in SQL, columns with their types, those that are computed, its primary key, triggers that are on."""

    name: str
    columns: dict[str, str]
    computed: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    plain: bool = True

    def shared(self, then: Table) -> list[str]:
        """Return the columns that come back: those of both that are not computed."""
        return [name for name in self.columns if name in then.columns and name not in self.computed]


class Link(Value):
    """A foreign key: rows of `child` point to rows of `parent`, and `takes` is what becomes of them without these."""

    child: str
    parent: str
    takes: str = ""


def steps(state: State | None) -> tuple[Step, ...]:
    """Return what is still to be done of a repair that has come so far; None: it has not begun."""
    return {None: tuple(Step), "begun": tuple(Step), "mended": (Step.RESUME,), "done": (), "left": ()}[state]


def read(
    *,
    tables: Sequence[str],
    wheres: Sequence[str] = (),
    pause: str = "",
    in_flight: str = "",
    patience: str = "0s",
    verify: Sequence[str] = (),
    remove: bool = False,
    triggers: bool = False,
) -> Repair:
    """Return the repair that words ask for, its backup still open; ConfigError with everything that is wrong with them.

    With several tables, a condition begins with the name of its own: `users: id = 7`. `pause` is a flag's name, with `=off` where it is
    off that pauses.
    """
    parts, wrong = _parts(tables, wheres)
    flag, _, to = pause.partition("=")
    if pause and (not flag or to not in ("", "on", "off")):
        wrong.append(f"--pause {pause}: write a flag's name, and =off where it is off that pauses")
    queries = [*(("--verify", one) for one in verify), *([("--in-flight", in_flight)] if in_flight else [])]
    wrong += [f"{option}: {why}" for option, query in queries for why in _unread(query)]
    try:
        seconds(patience)
    except ValueError as error:
        wrong.append(f"--patience {patience}: {error}")
    if wrong:
        raise ConfigError(wrong)
    return Repair(
        backup="", parts=parts, flag=flag, on=to != "off", in_flight=in_flight, verify=tuple(verify), remove=remove, triggers=triggers
    )


def _parts(tables: Sequence[str], wheres: Sequence[str]) -> tuple[tuple[Part, ...], list[str]]:
    given = dict.fromkeys(tables, "")
    wrong = [] if tables else ["--table: name what comes back; a whole database goes back by a restore (docs/components/restore.md)"]
    wrong += ["--table '': is empty: name a table"] if any(not name.strip() for name in given) else []
    wrong += [f"--table {name}: is there twice" for name in given if tables.count(name) > 1]
    for where in wheres:
        found = NAME.fullmatch(where)
        table, text = (found[1], found[2]) if found and found[1] in given else (tables[0] if len(tables) == 1 else "", where)
        if not text.strip():
            # A variable that was never set must not become every row.
            wrong.append(f"--where '{where}': is empty: write a condition, or leave it out for all rows")
        elif not table:
            wrong.append(f"--where {where}: begins with none of the tables: write '{next(iter(tables), 'table')}: {where}'")
        elif given[table]:
            wrong.append(f"--where {where}: '{table}' has a condition already: join them with and, or with or")
        else:
            given[table] = text
    wrong += [f"--where {text}: is no condition" for text in given.values() if text and _unread(f"select true where (\n{text}\n)")]
    return tuple(Part(table=table, where=text) for table, text in given.items()), wrong


def _unread(query: str) -> list[str]:
    """Return why a text is not one SELECT."""
    try:
        select(query)
    except ValueError as error:
        return [str(error)]
    return []


def refusals(live: Mapping[str, Table | None], then: Mapping[str, Table | None], links: Iterable[Link], *, remove: bool) -> list[str]:
    """Return every reason against bringing rows of these tables back, each a sentence; None is a table that is not there."""
    found = [why for name in live for why in _table(name, live[name], then[name])]
    return found + (_taken(live, links) if remove else [])


def _table(name: str, now: Table | None, then: Table | None) -> list[str]:
    if now is None:
        return [f"table {name}: is not there: bring back the whole database, or make the table first"]
    if name.startswith(OWN):
        return [f"table {name}: is the server's own, or Sluice's: bring back the whole database"]
    if then is None:
        return [f"table {name}: is not in the backup"]
    if not now.plain:
        return [f"table {name}: is no table, but a view or a foreign table"]
    if not now.key or now.key != then.key or set(now.key) & set(now.computed):
        keys = [f"({', '.join(one.key)})" if one.key else "none" for one in (now, then)]
        return [f"table {name}: its primary key is {keys[0]} now and {keys[1]} in the backup: a row could not be told from another"]
    shared = now.shared(then)
    moved = [column for column in shared if now.columns[column] != then.columns[column]]
    return [f"table {name}: {one} is {now.columns[one]} now and {then.columns[one]} in the backup" for one in moved]


def _taken(live: Mapping[str, Table | None], links: Iterable[Link]) -> list[str]:
    """A row that goes must not take others with it that nobody has asked for."""
    hit = [link for link in links if link.parent in live and link.child not in live and link.takes in TAKES]
    return [
        f"table {link.parent}: rows of {link.child} {TAKES[link.takes]}: choose that table too, or keep the rows (without --remove)"
        for link in hit
    ]


def notes(now: Table, then: Table, *, triggers: bool) -> list[str]:
    """Return what is good to know of a table."""
    newer = [column for column in now.columns if column not in then.columns and column not in now.computed]
    older = [column for column in then.columns if column not in now.columns]
    runs = "run for each row" if triggers else "do not run: rows come back as they were"
    said = [
        (newer, f"are newer than the backup, and stay: {', '.join(newer)}"),
        (older, f"are gone since, and stay so: {', '.join(older)}"),
    ]
    lines = [f"table {now.name}: columns {text}" for columns, text in said if columns]
    return lines + ([f"table {now.name}: triggers {runs}: {', '.join(now.triggers)}"] if now.triggers else [])


def ordered(tables: Iterable[str], links: Iterable[Link]) -> list[str]:
    """Return tables so that each comes after those that it points to; a circle begins with its first."""
    left, pairs = list(tables), [(link.child, link.parent) for link in links if link.child != link.parent]
    done: list[str] = []
    while left:
        free = [one for one in left if not any(child == one and parent in left for child, parent in pairs)]
        done += free or left[:1]
        left = [one for one in left if one not in done]
    return done


def lines(changes: Mapping[str, Change], *, remove: bool) -> list[str]:
    """Return a sentence a table."""
    extra = "removed" if remove else "kept"
    return [
        f"table {name}: {one.add} rows come back, {one.change} are changed back, {one.extra} are not in the backup and {extra}"
        for name, one in changes.items()
    ]


def told(repair: Repair) -> str:
    """Say in a line what is asked for."""
    parts = [f"{part.table} where {part.where}" if part.where else part.table for part in repair.parts]
    paused = f", while '{repair.flag}' is {'on' if repair.on else 'off'}" if repair.flag else ""
    return f"rows of {' and of '.join(parts)}, from backup {repair.backup}{paused}"


def left(step: Step, repair: Repair, why: str, *, back: bool | None, again: str, resume: str) -> str:
    """Say what a repair leaves that ends at a step, and what comes next: `again` does the same once more, `resume` only lets go. `back`:
    whether the rows are, None when nobody could be asked."""
    rows = "whether the rows are back is not known yet" if back is None else "the rows are back" if back else "no row was changed"
    if not repair.flag or step is Step.PAUSE:
        return f"{why}; {rows}: mend that, and run it again: {again}"
    paused = f"'{repair.flag}' is {'on' if repair.on else 'off'}, and stays so"
    return f"{why}; {rows}, and {paused}: mend that, and run the same again: {again}; or let go as it is: {resume}"
