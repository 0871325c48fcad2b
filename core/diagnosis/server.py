"""A database server: who is connected, who waits for whom, what is slow, and what keeps its disk from being freed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sluice.core.diagnosis.finding import GIB, Finding, State, fine, psql, size
from sluice.core.settings.duration import text as span
from sluice.core.store import Store

AREA = "database"
# Runbook 004, "Key Metrics to Monitor", and runbook 000: connections above 80 % of what there is.
CROWDED = 0.8
# A transaction that nobody works in keeps vacuum and migrations waiting; after ten minutes nobody is coming back to it.
FORGOTTEN = 600.0
# More WAL than this behind one slot fills a disk before anybody looks again.
RETAINED = GIB
# A statement that takes this long on average, in seconds, is one that people feel.
SLOW = 0.5
# Half way to the two thousand million transactions at which the server stops taking writes.
AGE = 1_000_000_000
# How many of one kind are told: more say nothing new.
SHOWN = 5
# A query is told up to its first literal: that may be a password, or a person.
LITERAL = re.compile(r"['\"$\d]|/\*|--")
WORDS = 60


@dataclass(frozen=True)
class Session:
    """A client's session: how long it has been in its `state`, and its transaction open, in seconds; `waits` are the sessions that hold
    the locks it waits for. `query` is told only by `words`."""

    pid: int
    user: str
    database: str
    application: str
    state: str
    seconds: float
    open: float = 0.0
    waits: Sequence[int] = ()
    query: str = field(default="", repr=False)

    @property
    def who(self) -> str:
        """Return whose it is."""
        named = f" '{self.application}'" if self.application else ""
        return f"pid {self.pid} of {self.user}@{self.database}{named}"


def words(query: str) -> str:
    """Return how a query begins, up to anything that could be a value."""
    found = LITERAL.search(query)
    text = " ".join(query[: found.start() if found else None].split())
    return text[:WORDS].strip() + ("..." if found or len(text) > WORDS else "")


def connections(store: Store, sessions: Sequence[Session], most: int) -> Finding:
    """Judge how many of the server's connections are in use, and say by whom."""
    used = len(sessions)
    # Services are named by their versions; who has no name is told by his role.
    users = Counter(f"{one.application or one.user} {one.state or 'unseen'}" for one in sessions)
    by = ", ".join(f"{count} {name}" for name, count in users.most_common(SHOWN))
    seen = f"{used} of {most}" + (f" ({by})" if by else "")
    if used <= CROWDED * most:
        return fine(AREA, "connections", seen)
    cause = "somebody opens more than were counted on: new ones will be refused"
    query = "select usename, application_name, state, count(*) from pg_stat_activity group by 1, 2, 3 order by 4 desc"
    told = {"seen": seen, "expected": f"at most {CROWDED:.0%}", "cause": cause, "next": psql(store, query)}
    return Finding(area=AREA, what="connections", state=State.PROBLEM, **told)


def idle(store: Store, sessions: Sequence[Session], long: float) -> list[Finding]:
    """Judge transactions that are open and in which nobody works; `long` in seconds. One that others wait for is told with them."""
    waited = {pid for one in sessions for pid in one.waits}
    old = [one for one in sessions if one.state.startswith("idle in transaction") and (one.seconds >= long or one.pid in waited)]
    return [_idle(store, one, one.pid in waited) for one in _longest(old)]


def _idle(store: Store, one: Session, waited: bool) -> Finding:
    bad = waited or one.seconds >= FORGOTTEN
    seen = f"{one.who} has been idle in a transaction for {_span(one.seconds)}" + (", and others wait for its locks" if waited else "")
    told = {
        "seen": seen,
        "expected": "no open transaction in which nobody works",
        "cause": "its client began a transaction and neither committed nor rolled back; it holds its locks and keeps vacuum from cleaning",
        "next": psql(store, f"select pg_terminate_backend({one.pid})"),
    }
    return Finding(area=AREA, what="idle in transaction", state=State.PROBLEM if bad else State.WARNING, **told)


def slow(store: Store, sessions: Sequence[Session], long: float) -> list[Finding]:
    """Judge statements that have run for long."""
    old = [one for one in sessions if one.state == "active" and one.seconds >= long]
    return [_slow(store, one) for one in _longest(old)]


def _slow(store: Store, one: Session) -> Finding:
    waits = f"it waits for a lock of pid {', '.join(map(str, one.waits))}" if one.waits else "it works, or waits for the disk"
    told = {
        "seen": f"{one.who} has been running `{words(one.query)}` for {_span(one.seconds)}",
        "expected": "less",
        "cause": waits,
        "next": psql(store, f"select pg_cancel_backend({one.pid})"),
    }
    return Finding(area=AREA, what="long query", state=State.WARNING, **told)


def _longest(sessions: Sequence[Session]) -> list[Session]:
    return sorted(sessions, key=lambda one: -one.seconds)[:SHOWN]


@dataclass(frozen=True)
class Statement:
    """What pg_stat_statements knows of one statement; `mean` in seconds."""

    calls: int
    mean: float
    query: str = field(repr=False)


def statements(store: Store, found: Sequence[Statement]) -> list[Finding]:
    """Judge the statements that are slow on average."""
    return [_statement(store, one) for one in found if one.mean > SLOW]


def _statement(store: Store, one: Statement) -> Finding:
    seen, cause = (
        f"`{words(one.query)}` takes {one.mean:.2f} s on average, {one.calls} times",
        "an index may be missing, or its statistics are old",
    )
    query = "select calls, mean_exec_time, query from pg_stat_statements order by total_exec_time desc limit 10"
    told = {"seen": seen, "expected": f"at most {SLOW:g} s", "cause": cause, "next": psql(store, query)}
    return Finding(area=AREA, what=f"slow statement in '{store.dbname}'", state=State.WARNING, **told)


def indexes(store: Store, invalid: Sequence[tuple[str, str]]) -> list[Finding]:
    """Judge indexes, each with its table, that are there and are not used; both names are as SQL writes them."""
    return [_index(store, *one) for one in invalid]


def _index(store: Store, index: str, table: str) -> Finding:
    cause = f"a `create index concurrently` on {table} failed or was ended: every write pays for it, no query uses it"
    mend = psql(store, f"reindex index concurrently {index}")
    told = {"seen": "invalid", "expected": "valid, or not there", "cause": cause, "next": mend}
    return Finding(area=AREA, what=f"index {index} in '{store.dbname}'", state=State.PROBLEM, **told)


@dataclass(frozen=True)
class Slot:
    """A replication slot; `retained` is the WAL in bytes that is kept for it, `lost` says that this was not enough."""

    name: str
    active: bool
    retained: int
    lost: bool = False


def slots(store: Store, found: Sequence[Slot]) -> list[Finding]:
    """Judge replication slots: one that nobody reads keeps WAL until the disk is full."""
    return [_slot(store, one) for one in found]


def _slot(store: Store, one: Slot) -> Finding:
    what, seen = f"replication slot '{one.name}'", f"{'read' if one.active else 'read by nobody'}, {size(one.retained)} of WAL kept for it"
    if one.active and one.retained < RETAINED and not one.lost:
        return fine(AREA, what, seen)
    lagging = "its reader is too slow" if one.active else "its reader is gone"
    cause = f"{lagging}, and what it needs is removed already" if one.lost else f"{lagging}: WAL piles up until the disk is full"
    bad = one.lost or one.retained >= RETAINED
    look = f"select * from pg_replication_slots where slot_name = '{one.name}'"
    drop = f"select pg_drop_replication_slot('{one.name}')"
    told = {
        "seen": seen,
        "expected": f"a reader, and less than {size(RETAINED)}",
        "cause": cause,
        "next": psql(store, look if one.active else drop),
    }
    return Finding(area=AREA, what=what, state=State.PROBLEM if bad else State.WARNING, **told)


def age(store: Store, oldest: Mapping[str, int]) -> list[Finding]:
    """Judge how many transactions ago each database was frozen."""
    return [_aged(store.at(name), number) for name, number in oldest.items() if number > AGE]


def _aged(store: Store, number: int) -> Finding:
    cause = "vacuum does not get through: an old transaction, a slot, or a prepared transaction holds it back"
    seen, expected = f"{number / 1e6:.0f} million transactions", f"at most {AGE / 1e6:.0f} million"
    told = {"seen": seen, "expected": expected, "cause": cause, "next": psql(store, "vacuum (freeze, verbose)")}
    return Finding(area=AREA, what=f"transaction age of '{store.dbname}'", state=State.PROBLEM, **told)


@dataclass(frozen=True)
class Holder:
    """Who holds a database's lock: a step's session, for so many seconds."""

    database: str
    pid: int
    name: str
    address: str
    seconds: float


def locks(store: Store, found: Sequence[Holder], long: float) -> list[Finding]:
    """Judge the locks of data steps; `long`, in seconds, is when one is looked after."""
    return [_lock(store, one, long) for one in found]


def _lock(store: Store, one: Holder, long: float) -> Finding:
    what = f"lock of '{one.database}'"
    seen = f"held by '{one.name}' (pid {one.pid}, from {one.address}) for {_span(one.seconds)}"
    if one.seconds < long:
        return fine(AREA, what, seen)
    cause = "a backup, drill or migration is at work, or its deployer hangs; ending its session makes the step stop"
    told = {
        "seen": seen,
        "expected": f"less than {_span(long)}",
        "cause": cause,
        "next": psql(store, f"select pg_terminate_backend({one.pid})"),
    }
    return Finding(area=AREA, what=what, state=State.WARNING, **told)


def _span(seconds: float) -> str:
    return span(round(seconds)) if seconds >= 1 else f"{seconds:.1f}s"
