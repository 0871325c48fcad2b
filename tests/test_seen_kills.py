"""A deployer, or its server, dies around each statement of a migration: all is as before, as after, or the next run says what to do.

SLUICE_MIGRATION_KILLS is how many random kills (a few when not given), SLUICE_MIGRATION_SEED which ones, and with SLUICE_MIGRATION_POINTS=1
every point is taken, not every fifth. Random kills are printed, so that a failure can be had again.
"""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import psutil
import psycopg
import pytest

from sluice.core.errors import MigrationFailed, Refused, Superseded, Unreachable
from sluice.core.migration.file import folder
from sluice.core.migration.history import plan
from sluice.core.migration.row import Row
from sluice.core.store import Store
from sluice.systems.migrations import look, run
from tests.fixtures.postgres import Postgres
from tests.test_systems_migrations_crash import fell, revive, sql, store, until

pytestmark = pytest.mark.embedded
COUNT = int(os.environ.get("SLUICE_MIGRATION_KILLS", "12"))
SEED = int(os.environ.get("SLUICE_MIGRATION_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
STRIDE = 1 if "SLUICE_MIGRATION_POINTS" in os.environ else 5

NONE = "-- transaction: none\n"
PLAIN = "insert into trace values ('a'); create table made (n int); insert into trace values ('b')"
UNPLAIN = "insert into trace values ('-a'); drop table made; insert into trace values ('-b')"
BUILD = NONE + "insert into trace values ('a'); create index concurrently {}ix on big (n); insert into trace values ('b')"
UNBUILD = NONE + "insert into trace values ('-a'); drop index concurrently {}ix; insert into trace values ('-b')"
CALL = NONE + "call pair('{0}p'); insert into trace values ('{0}b')"
FILL = "-- backfill: batch=7 pause=0ms\nupdate big set filled = filled + 1 where n in (select n from big where filled = 0 limit :batch)"
FILES = {
    "whole": (PLAIN, UNPLAIN),
    "count": (NONE + PLAIN, NONE + UNPLAIN),
    "safe": (BUILD.format("if not exists "), UNBUILD.format("if exists ")),
    "unsafe": (BUILD.format(""), UNBUILD.format("")),
    "commit": (CALL.format(""), CALL.format("-")),
    "fill": (FILL, "update big set filled = 0"),
}
# What is there before any of it, then what each file makes of it: traces, the table, the index, and how often a row was filled.
SETUP = """
    drop schema if exists sluice_history cascade;
    drop table if exists trace, big, made;
    create table trace (word text);
    create table big as select n, 0 as filled from generate_series(1, 20) n;
    create or replace procedure pair(word text) language plpgsql as
        $$ begin insert into trace values (word || 1); commit; insert into trace values (word || 2); end $$;
"""
SEEN = """
    select coalesce((select string_agg(word, ' ' order by word) from trace), ''), to_regclass('made') is not null,
        coalesce((select indisvalid::text from pg_index where indexrelid = to_regclass('ix')), ''),
        (select string_agg(distinct filled::text, ' ') from big)
"""
Facts = tuple[str, bool, str, str]
BEFORE: Facts = ("", False, "", "0")
AFTER: dict[str, Facts] = {
    "whole": ("a b", True, "", "0"),
    "count": ("a b", True, "", "0"),
    "safe": ("a b", False, "true", "0"),
    "unsafe": ("a b", False, "true", "0"),
    "commit": ("b p1 p2", False, "", "0"),
    "fill": ("", False, "", "1"),
}
BACK: dict[str, Facts] = {
    "whole": ("-a -b a b", False, "", "0"),
    "count": ("-a -b a b", False, "", "0"),
    "safe": ("-a -b a b", False, "", "0"),
    "unsafe": ("-a -b a b", False, "", "0"),
    "commit": ("-b -p1 -p2 b p1 p2", False, "", "0"),
    "fill": BEFORE,
}


class Case:
    """One file in one direction, on one database."""

    def __init__(self, at: Store, kind: str, way: str) -> None:
        self.at, self.kind, self.way = at, kind, way
        self.files = folder({"1_one.sql": f"-- way: reversible\n{FILES[kind][0]}", "1_one.down.sql": FILES[kind][1]})
        self.target, self.phase = ("1", "expand") if way == "up" else ("", "settle")
        self.old, self.new = (BEFORE, AFTER[kind]) if way == "up" else (AFTER[kind], BACK[kind])
        self.script = self.files[0].forward if way == "up" else self.files[0].back
        assert self.script

    def prepare(self) -> None:
        """Make the database as it is before."""
        sql(self.at, SETUP)
        if self.way == "down":
            self.go("1", "expand")
        assert self.seen() == self.old

    def go(self, target: str | None = None, phase: Any = None) -> list[str]:
        """Plan and run, as an `up` does."""
        way = plan(self.files, look(self.at), target=self.target if target is None else target, phase=phase or self.phase)
        return run(self.at, way, check=lambda: None, log=lambda _: None)

    def seen(self) -> Facts:
        """Return what is in the database."""
        (facts,) = sql(self.at, SEEN)
        return tuple(facts)  # type: ignore[return-value]

    def row(self) -> Row | None:
        """Return what the history says."""
        return next(iter(look(self.at)), None)

    def finished(self) -> bool:
        """Say whether the history says that it is all there."""
        row = self.row()
        return row is not None and row.state == "applied" if self.way == "up" else row is None

    def sure(self) -> None:
        """See that what is there is what the row says, which is before the next run."""
        row, facts = self.row(), self.seen()
        if self.finished():
            assert facts == self.new
        elif self.script.transactional or row is None or row.state == "applied":
            assert facts == self.old, row
        elif self.kind != "fill":
            words, old = Counter(facts[0].split()), Counter(self.old[0].split())
            counted = [one for one in self.script.statements[: row.done] if not one.alone and not one.commits and "trace" in one.sql]
            assert len(counted) <= sum((words - old).values()) <= len(counted) + 2 * (self.kind == "commit"), row

    def calm(self) -> None:
        """See that, once the server has ended what a dead deployer sent."""
        quiet(self.at)
        self.sure()

    def end(self) -> str:
        """Run until all is there, mending as the refusal says; return in a word what it took."""
        took = "went on"
        for _ in range(3):
            try:
                self.go()
                break
            except Refused as error:
                took = "was told what to look at"
                self.mend(str(error))
            except Superseded:
                took = "planned again"
        assert self.finished()
        assert self.seen() == self.new
        assert self.go() == []
        return took

    def mend(self, said: str) -> None:
        """Look whether the statement happened, and run the SQL that is offered for that."""
        row = self.row()
        assert row
        assert row.doing == row.done + 1, said
        assert not self.script.statements[row.done].repeatable
        offered = re.search(r"if not, run in psql: (update .*?); if so: (update .*?); then `pulumi up`$", said)
        assert offered, said
        sql(self.at, offered[2] if self.happened() else offered[1])

    def happened(self) -> bool:
        """Look, as a person does: an index that is valid, or gone; a pair of rows, of which a missing one is put there."""
        words, _, index, _ = self.seen()
        if self.kind != "commit":
            return index == ("true" if self.way == "up" else "")
        sign = "" if self.way == "up" else "-"
        found = [word for word in (f"{sign}p1", f"{sign}p2") if word in words.split()]
        if len(found) == 1:
            sql(self.at, f"insert into trace values ('{sign}p2')")
        return bool(found)


Blow = Callable[[Any], None]
T = TypeVar("T")
STRUCK, WENT = 7, 0


def suicide(_: Any) -> None:
    """End this process, which is a deployer."""
    os.kill(os.getpid(), signal.SIGKILL)


def struck(case: Case, point: int, mode: str, blow: Blow = suicide) -> bool:
    """Run in a process of its own that strikes at its nth exchange with the server, once it is sent or once it is answered.

    False when there were not so many.
    """
    child = os.fork()
    if not child:
        hit: list[int] = []
        with suppress(BaseException):
            _armed(point, mode, lambda session: (hit.append(1), blow(session))[0])
            case.go()
        os._exit(STRUCK if hit else WENT)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != WENT


def _armed(point: int, mode: str, blow: Blow) -> None:
    """Count what the migration's own sessions say to the server; BEGIN and COMMIT pass here too."""
    plain, count = psycopg.Connection.wait, 0

    def wait(self: Any, gen: Any, *args: Any, **more: Any) -> Any:
        nonlocal count
        if self.info.parameter_status("application_name") not in ("sluice", "sluice migration 1"):
            return plain(self, gen, *args, **more)
        count += 1
        if count == point and mode == "sent":
            next(gen, None)  # what libpq has is with the server now, and nobody has waited for the answer
            blow(self)
        answer = plain(self, gen, *args, **more)
        if count == point and mode == "after":
            blow(self)
        return answer

    psycopg.Connection.wait = wait  # type: ignore[method-assign]


def quiet(at: Store) -> None:
    """Wait until the server has ended what a dead deployer sent."""
    query = "select 1 from pg_stat_activity where application_name like 'sluice%' and datname = current_database()"
    until(lambda: not sql(at, query), "the end of its sessions")


@pytest.fixture
def at(postgres: Postgres) -> Iterator[Store]:
    with postgres.connect() as connection:
        connection.execute("create database killed template template0")
        yield store(postgres, "killed")
        connection.execute("drop database killed with (force)")


@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("kind", FILES)
def test_each_statement(at: Store, kind: str, way: str) -> None:
    """Killed as each word to the server is sent, or answered: all is as before, as after, or as the row says; then it is finished."""
    case, took, point = Case(at, kind, way), Counter[str](), 0
    first = {"sent": 0, "after": 1}
    alive = False
    while not alive:
        point += 1
        for mode in ("sent", "after"):
            if (point + first[mode]) % STRIDE:
                continue
            case.prepare()
            alive = not struck(case, point, mode)
            case.calm()
            took[case.end()] += 1
    print(f"\n{kind} {way}: {sum(took.values()) - 1} kills around {point - 1} exchanges, {dict(took)}")
    assert sum(took.values()) >= 4
    doubts = (kind in ("unsafe", "commit")) and STRIDE == 1
    assert took["was told what to look at"] > 0 if doubts else kind in ("unsafe", "commit") or not took["was told what to look at"]


def test_a_doubt_outlives_a_second_kill(at: Store) -> None:
    """What was sent and not heard of stays written down when the next deployer dies too, before it comes to that statement."""
    case, point = Case(at, "safe", "up"), 0
    case.prepare()
    while not (row := case.row()) or row.doing != 2:
        case.prepare()
        point += 1
        assert struck(case, point, "sent")
        quiet(at)
    begun = row.begun_at
    for second in range(1, point):
        assert struck(case, second, "after")
        quiet(at)
        again = case.row()
        assert again
        assert (again.done, again.doing) == (1, 2)
        if again.begun_at != begun:
            break
    else:
        raise AssertionError("the second deployer never began")
    assert case.end() == "went on"


@pytest.fixture
def own() -> Iterator[Postgres]:
    """Return a server that a test may kill."""
    server = Postgres()
    server.start()
    yield server
    server.close()


def blows(server: Postgres) -> dict[str, Blow]:
    """Return what may happen beside a migration, by name; it happens in the deployer's process."""

    def ended(session: Any) -> None:
        with server.connect() as other:
            other.execute("select pg_terminate_backend(%s, 5000)", [session.info.backend_pid])

    def headless(_: Any) -> None:
        backends = psutil.Process(server.server.pid).children()
        os.kill(server.server.pid, signal.SIGKILL)
        # They end by themselves, and until then no other server can have their memory.
        psutil.wait_procs(backends, timeout=10)

    return {
        "deployer killed": suicide,
        "session ended": ended,
        "backend killed": lambda session: os.kill(session.info.backend_pid, signal.SIGKILL),
        "server stopped at once": lambda _: os.kill(server.server.pid, signal.SIGQUIT),
        "server killed": headless,
        "all killed": lambda _: fell(server),
    }


def stand(server: Postgres) -> None:
    """Have the server answer again, whatever was killed of it."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        # A killed backend makes the server restart itself.
        if server.server.poll() is not None:
            revive(server)
        with suppress(psycopg.OperationalError):
            return server.connect().close()
        time.sleep(0.05)
    raise AssertionError("the server does not answer")


def once_more(server: Postgres, action: Callable[[], T]) -> T:
    """Do it again if the server had answered before it noticed what was killed of it: that `up` says so, and the next one goes on."""
    try:
        return action()
    except (Unreachable, MigrationFailed, psycopg.OperationalError) as error:
        if not re.search("server closed the connection|crash of another server process|is (starting up|in recovery)", str(error)):
            raise
        stand(server)
        return action()


def test_random_kills(own: Postgres) -> None:
    """Deployers, sessions, backends and servers die at random moments: once there is a server again, an `up` or two finish it, and once."""
    print(f"\nSLUICE_MIGRATION_KILLS={COUNT} SLUICE_MIGRATION_SEED={SEED}")
    dice, took, done = random.Random(SEED), Counter[tuple[str, str]](), 0
    at, points = store(own, "postgres"), Counter[tuple[str, str]]()
    while done < COUNT:
        kind, way, (name, blow) = dice.choice(list(FILES)), dice.choice(["up", "down"]), dice.choice(list(blows(own).items()))
        case = Case(at, kind, way)
        case.prepare()
        point, mode = dice.randint(1, points.get((kind, way), 40)), dice.choice(["sent", "after"])
        hit = struck(case, point, mode, blow)
        stand(own)
        if not hit:
            points[kind, way] = point  # there are fewer
            continue
        done += 1
        if dice.random() < 0.5:  # else the next run meets what is left
            once_more(own, case.calm)
        took[name, once_more(own, case.end)] += 1
    for (name, how), count in sorted(took.items()):
        print(f"{count:4} times {name}, and the next `up` {how}")


def test_random_moments(at: Store) -> None:
    """A deployer that is killed from outside, at any moment, leaves nothing that the next one cannot finish."""
    dice = random.Random(SEED)
    for number in range(COUNT):
        case = Case(at, dice.choice(list(FILES)), dice.choice(["up", "down"]))
        case.prepare()
        child = os.fork()
        if not child:
            with suppress(BaseException):
                case.go()
            os._exit(0)
        time.sleep(dice.uniform(0, 0.12))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if number % 2:
            case.calm()
        case.end()
