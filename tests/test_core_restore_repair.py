"""What is asked for, what speaks against it, and what is left of it."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.core.errors import ConfigError
from sluice.core.restore.repair import Change, Link, Part, Repair, Step, Table, left, lines, notes, ordered, read, refusals, steps, told

USERS = Table(name="public.users", columns={"id": "bigint", "email": "text"}, key=("id",))
ORDERS = Table(name="public.orders", columns={"id": "bigint", "user_id": "bigint"}, key=("id",))
LINK = Link(child="public.orders", parent="public.users", takes="c")


def test_read():
    """Words become tables with their conditions, a flag and what it is switched to."""
    found = read(tables=["users", 's."Odd Name"'], wheres=['s."Odd Name": a::int = 1', "users: id < 9"], pause="UGC_ANALYSIS=off")
    assert found.parts == (Part(table="users", where="id < 9"), Part(table='s."Odd Name"', where="a::int = 1"))
    assert (found.flag, found.on) == ("UGC_ANALYSIS", False)
    assert read(tables=["users"], wheres=["id = 7 -- only her"], pause="paused").parts == (Part(table="users", where="id = 7 -- only her"),)
    assert (read(tables=["users"], pause="paused").on, read(tables=["users"]).flag) == (True, "")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"tables": []}, "--table: name what comes back; a whole database goes back by a restore (docs/components/restore.md)"),
        ({"tables": ["a", "a"]}, "--table a: is there twice"),
        ({"tables": ["a", " "]}, "--table '': is empty: name a table"),
        ({"tables": ["a", "b"], "wheres": ["id = 1"]}, "--where id = 1: begins with none of the tables: write 'a: id = 1'"),
        ({"tables": ["a"], "wheres": ["x", "y"]}, "--where y: 'a' has a condition already: join them with and, or with or"),
        ({"tables": ["a"], "wheres": [""]}, "--where '': is empty: write a condition, or leave it out for all rows"),
        ({"tables": ["a", "b"], "wheres": ["b: "]}, "--where 'b: ': is empty: write a condition, or leave it out for all rows"),
        ({"tables": ["a"], "wheres": ["true); drop table a; --"]}, "--where true); drop table a; --: is no condition"),
        ({"tables": ["a"], "pause": "=off"}, "--pause =off: write a flag's name, and =off where it is off that pauses"),
        ({"tables": ["a"], "pause": "a=no"}, "--pause a=no: write a flag's name, and =off where it is off that pauses"),
        ({"tables": ["a"], "verify": ["delete from a"]}, "--verify: 'delete from a' is not one SELECT"),
        ({"tables": ["a"], "in_flight": "select 1; select 2"}, "--in-flight: 'select 1; select 2' is not one SELECT"),
        ({"tables": ["a"], "patience": "soon"}, "--patience soon: is not a duration of at most a year: write '30s', '15m', "),
    ],
)
def test_words_that_mean_nothing(words: dict[str, Any], why: str):
    """Each slip is told alone when it is alone, before anything is looked at."""
    with pytest.raises(ConfigError) as caught:
        read(**words)
    assert str(caught.value).startswith(why)
    assert len(caught.value.problems) == 1


def test_all_at_once():
    """Every slip is told, not only the first."""
    with pytest.raises(ConfigError) as caught:
        read(tables=[], wheres=["x"], pause="a=no", verify=["nothing"], in_flight="nothing", patience="soon")
    assert len(caught.value.problems) == 6


def test_steps():
    """A repair that has come so far goes on from there: rows that are back are not brought again, and what has ended has."""
    assert steps(None) == steps("begun") == (Step.PAUSE, Step.WAIT, Step.MEND, Step.RESUME)
    assert steps("mended") == (Step.RESUME,)
    assert steps("done") == steps("left") == ()


def wrong(now: Table | None, then: Table | None, *links: Link, remove: bool = False) -> list[str]:
    return refusals({"public.users": now}, {"public.users": then}, links, remove=remove)


@pytest.mark.parametrize(
    ("now", "then", "why"),
    [
        (None, USERS, "is not there: bring back the whole database, or make the table first"),
        (USERS, None, "is not in the backup"),
        (USERS.model_copy(update={"plain": False}), USERS, "is no table, but a view or a foreign table"),
        (
            USERS.model_copy(update={"key": ()}),
            USERS,
            "its primary key is none now and (id) in the backup: a row could not be told from another",
        ),
        (
            USERS,
            USERS.model_copy(update={"key": ("email", "id")}),
            "its primary key is (id) now and (email, id) in the backup: a row could not be told from another",
        ),
        (USERS, USERS.model_copy(update={"columns": {"id": "bigint", "email": "citext"}}), "email is text now and citext in the backup"),
    ],
)
def test_tables_that_cannot_come_back(now: Table | None, then: Table | None, why: str):
    """A table that is not the one of the backup is refused, with how it differs."""
    assert wrong(now, then) == [f"table public.users: {why}"]


def test_rows_that_would_take_others_with_them():
    """Rows are not removed where others would go with them that nobody has asked for; chosen as well, or kept, they may."""
    assert wrong(USERS, USERS, LINK, remove=True) == [
        "table public.users: rows of public.orders are deleted with them: choose that table too, or keep the rows (without --remove)"
    ]
    assert wrong(USERS, USERS, LINK) == []
    assert wrong(USERS, USERS, LINK.model_copy(update={"takes": "a"}), remove=True) == []
    both = {"public.users": USERS, "public.orders": ORDERS}
    assert refusals(both, both, [LINK], remove=True) == []


def test_notes():
    """Columns that the backup does not know stay as they are, computed ones compute themselves, and triggers are named."""
    now = Table(name="t", columns={"id": "int", "new": "int", "sum": "int"}, computed=("sum",), key=("id",), triggers=("stamp",))
    then = Table(name="t", columns={"id": "int", "old": "int", "sum": "int"}, computed=("sum",), key=("id",))
    assert now.shared(then) == ["id"]
    assert notes(now, then, triggers=False) == [
        "table t: columns are newer than the backup, and stay: new",
        "table t: columns are gone since, and stay so: old",
        "table t: triggers do not run: rows come back as they were: stamp",
    ]
    assert notes(now, then, triggers=True)[-1] == "table t: triggers run for each row: stamp"
    assert notes(then, then, triggers=True) == []


def test_order():
    """Who is pointed to comes first; a table may point to itself; a circle begins with its first."""
    chain = [Link(child="a", parent="b"), Link(child="b", parent="c"), Link(child="c", parent="c"), Link(child="a", parent="z")]
    assert ordered(["a", "b", "c"], chain) == ["c", "b", "a"]
    assert ordered(["a", "b", "c"], [*chain, Link(child="c", parent="a")]) == ["a", "c", "b"]


def test_lines():
    """Rows that are there and not in the backup are kept unless somebody has said otherwise."""
    changes = {"t": Change(add=1, change=2, extra=3)}
    assert lines(changes, remove=False) == ["table t: 1 rows come back, 2 are changed back, 3 are not in the backup and kept"]
    assert lines(changes, remove=True)[0].endswith("3 are not in the backup and removed")
    assert (Change(extra=3).some(remove=False), Change(extra=3).some(remove=True)) == (False, True)


def test_told():
    """In one line: which rows, from where, and what pauses meanwhile."""
    one = Repair(backup="b1", parts=(Part(table="users", where="id = 7"), Part(table="orders")), flag="INTAKE", on=False)
    assert told(one) == "rows of users where id = 7 and of orders, from backup b1, while 'INTAKE' is off"
    assert told(Repair(backup="b1", parts=(Part(table="users"),))) == "rows of users, from backup b1"


def test_left():
    """Who fails says what the rows are, what stays paused, and the next command."""
    repair = Repair(backup="b", parts=(), flag="paused")
    words = {"again": "sluice repair shop --table t", "resume": "sluice repair shop --resume"}
    next_ = "mend that, and run the same again: sluice repair shop --table t; or let go as it is: sluice repair shop --resume"
    assert left(Step.MEND, repair, "why", back=False, **words) == f"why; no row was changed, and 'paused' is on, and stays so: {next_}"
    assert left(Step.RESUME, repair, "why", back=True, **words) == f"why; the rows are back, and 'paused' is on, and stays so: {next_}"
    unknown = f"why; whether the rows are back is not known yet, and 'paused' is on, and stays so: {next_}"
    assert left(Step.MEND, repair, "why", back=None, **words) == unknown
    bare = "why; no row was changed: mend that, and run it again: sluice repair shop --table t"
    assert left(Step.PAUSE, repair, "why", back=False, **words) == bare
    assert left(Step.WAIT, Repair(backup="b", parts=()), "why", back=False, **words) == bare
