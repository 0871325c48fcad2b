"""A database server as it is seen: who is too many, who waits, what piles up."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.core.diagnosis import server
from sluice.core.diagnosis.finding import GIB, Finding
from sluice.core.diagnosis.server import Holder, Session, Slot, Statement
from sluice.core.store import Store

STORE = Store(host="db", user="app", dbname="shop")
ASK = "psql -h db -p 5432 -U app -d shop -c"
PLANTED = "planted-8c1f"


def session(**more: Any) -> Session:
    plain = {"pid": 7, "user": "app", "database": "shop", "application": "web", "state": "idle", "seconds": 1.0}
    return Session(**{**plain, **more})


def seen(found: list[Finding]) -> list[tuple[str, str]]:
    return [(one.state.value, one.line) for one in found]


def test_connections():
    """Eight in ten are the runbooks' limit; beyond it the users are named."""
    assert seen([server.connections(STORE, [session()] * 8, 10)]) == [("ok", "connections: 8 of 10 (8 web idle)")]
    crowd = [*[session()] * 6, *[session(user="job", application="", state="active")] * 3]
    told = "connections: 9 of 10 (6 web idle, 3 job active), expected at most 80%: somebody opens more than were counted on: new ones"
    query = "select usename, application_name, state, count(*) from pg_stat_activity group by 1, 2, 3 order by 4 desc"
    assert seen([server.connections(STORE, crowd, 10)]) == [("problem", f"{told} will be refused; run: {ASK} '{query}'")]


def test_idle():
    """A transaction in which nobody works is told when it is old, and is a problem when others wait for it or it is forgotten."""
    young, old = session(state="idle in transaction", seconds=59), session(state="idle in transaction (aborted)", seconds=61)
    assert server.idle(STORE, [young, session(seconds=999)], 60) == []
    told = (
        "idle in transaction: pid 7 of app@shop 'web' has been idle in a transaction for 1m1s, expected no open transaction in which nobody"
    )
    cause = "its client began a transaction and neither committed nor rolled back; it holds its locks and keeps vacuum from cleaning"
    assert seen(server.idle(STORE, [old], 60)) == [("warning", f"{told} works: {cause}; run: {ASK} 'select pg_terminate_backend(7)'")]
    waiting = session(pid=8, state="active", waits=[7])
    (one,) = server.idle(STORE, [young, waiting], 60)
    assert (one.state.value, "and others wait for its locks" in one.seen) == ("problem", True)
    assert [one.state.value for one in server.idle(STORE, [session(state="idle in transaction", seconds=601)], 60)] == ["problem"]


def test_slow():
    """A long statement is told with what it waits for, and only by the words before its first value."""
    one = session(pid=9, state="active", seconds=90, waits=[7], query=f"alter role app password '{PLANTED}'")
    told = "long query: pid 9 of app@shop 'web' has been running `alter role app password...` for 1m30s, expected less"
    assert seen(server.slow(STORE, [one, session(state="active")], 60)) == [
        ("warning", f"{told}: it waits for a lock of pid 7; run: {ASK} 'select pg_cancel_backend(9)'")
    ]
    assert PLANTED not in repr(one)
    assert len(server.slow(STORE, [one] * 9, 60)) == server.SHOWN


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("select  *\n from orders", "select * from orders"),
        (f"select $x${PLANTED}$x$", "select..."),
        (f"/* {PLANTED} */ select 1", "..."),
        (f'select "{PLANTED}"', "select..."),
        ("select a where id = 4711", "select a where id =..."),
        ("select " + "column_of_a_name, " * 9, "select column_of_a_name, column_of_a_name, column_of_a_name,..."),
    ],
)
def test_words(query: str, told: str):
    """No literal, quoted name or comment of a query is told."""
    assert server.words(query) == told


def test_statements():
    """What is slow on average is told; what is slow once is not here."""
    fast, slow = Statement(1000, 0.4, "select 1"), Statement(12, 1.5, "select * from orders where id = $1")
    query = "select calls, mean_exec_time, query from pg_stat_statements order by total_exec_time desc limit 10"
    told = "slow statement in 'shop': `select * from orders where id =...` takes 1.50 s on average, 12 times, expected at most 0.5 s"
    assert seen(server.statements(STORE, [fast, slow])) == [
        ("warning", f"{told}: an index may be missing, or its statistics are old; run: {ASK} '{query}'")
    ]


def test_indexes():
    """An invalid index comes with the statement that makes it anew beside itself."""
    told = (
        "index public.orders_note in 'shop': invalid, expected valid, or not there: a `create index concurrently` on public.orders failed"
    )
    assert seen(server.indexes(STORE, [("public.orders_note", "public.orders")])) == [
        (
            "problem",
            f"{told} or was ended: every write pays for it, no query uses it; run: {ASK} 'reindex index concurrently public.orders_note'",
        )
    ]


@pytest.mark.parametrize(
    ("slot", "state", "word"),
    [
        (Slot("a", True, 0), "ok", ""),
        (Slot("a", False, 0), "warning", "pg_drop_replication_slot"),
        (Slot("a", False, GIB), "problem", "pg_drop_replication_slot"),
        (Slot("a", True, GIB), "problem", "select * from pg_replication_slots"),
        (Slot("a", True, 0, lost=True), "problem", "select * from pg_replication_slots"),
    ],
)
def test_slots(slot: Slot, state: str, word: str):
    """A slot that nobody reads may be dropped; one that is read too slowly is looked at."""
    (one,) = server.slots(STORE, [slot])
    assert one.state.value == state
    assert word in one.next


def test_age():
    """Half way to the end of transaction numbers somebody should know."""
    (one,) = server.age(STORE, {"shop": 1_200_000_000, "postgres": 5})
    assert (one.what, one.seen) == ("transaction age of 'shop'", "1200 million transactions")


def test_locks():
    """Who holds a database's lock is told; after an hour it is looked after."""
    one = Holder("shop", 5, "sluice backup", "127.0.0.1", 30.0)
    assert seen(server.locks(STORE, [one], 3600)) == [("ok", "lock of 'shop': held by 'sluice backup' (pid 5, from 127.0.0.1) for 30s")]
    (late,) = server.locks(STORE, [Holder("shop", 5, "sluice backup", "127.0.0.1", 3600.0)], 3600)
    assert (late.state.value, late.next) == ("warning", f"{ASK} 'select pg_terminate_backend(5)'")
