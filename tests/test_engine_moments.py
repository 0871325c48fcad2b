"""A release and its way back, killed before, during and after every write of every moment: a plain second run brings about the same.

The table of kills is generated: a release and a rollback that nobody kills say by the journal which steps there are and how long they take.
SLUICE_MOMENTS is how many rows are run (a few when not given, so that a test run stays short), or `all` of them; SLUICE_MOMENTS_SEED says
which. SLUICE_MOMENTS_VICTIM leaves those who are killed to one of them: three runs side by side are the whole table then. With -s each
row is printed with its outcome.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import psycopg
import pytest

from sluice.core.journal import Happened
from sluice.systems import shelf
from tests.fixtures.engine import Engine, Result
from tests.fixtures.judge import STEPS, copies, ended, halfway, lost, schema, strays
from tests.fixtures.matrix import ask, matrix, want
from tests.fixtures.moments import VICTIMS, Point, Tail, points, strike
from tests.fixtures.sluice import SLUICE, sluice

pytestmark = [pytest.mark.engine, pytest.mark.embedded, pytest.mark.kills]
COUNT, SEED = os.environ.get("SLUICE_MOMENTS", "4"), int(os.environ.get("SLUICE_MOMENTS_SEED", "2"))
VICTIM = os.environ.get("SLUICE_MOMENTS_VICTIM", "")
OLD = "1.0"
UP = ("pulumi", "up", "--yes", "--skip-preview", "--non-interactive")
# All of it: the contract before the older code, the expand after it.
BACK = ("rollback", "--to", OLD, "--exact", "--yes")
RELEASE, ROLLBACK = "release", "rollback"
HEARTBEAT = 5.0
ROLLOUT = {
    "ladder": [{"weight": 50, "soak": "500ms"}, {"weight": 100, "soak": "500ms"}],
    "heartbeat": f"{HEARTBEAT:g}s",
    # None goes by itself, so that none can be missed for a good reason.
    "backup": {"keep": 10_000},
}


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    scenario: str
    point: Point
    victim: str

    @property
    def text(self) -> str:
        return f"{self.scenario:8} | {self.point.text:40} | {self.victim:8}"


@dataclass
class Shop:
    """A service and its database, which go forward with a new version each time, over an expand and a contract, and all the way back.

    `spared` counts the kills that came when the update had ended.
    """

    engine: Engine
    version: int = 0
    asked: str = OLD
    spared: int = 0
    steps: dict[str, list[Point]] = field(default_factory=dict)

    def ask(self, scenario: str) -> tuple[str, ...]:
        """Write into config what a scenario begins with, and return its command."""
        if scenario == ROLLBACK:
            self.asked = OLD
            return (str(SLUICE), *BACK)
        self.version += 1
        self.asked = f"1.{self.version}"
        want(self.engine, self.asked, "0003")
        return UP

    def begin(self, scenario: str) -> None:
        """Bring about what a scenario begins with, where a row before it has not."""
        if (self.engine.live == OLD) == (scenario == ROLLBACK):
            self.through(RELEASE if scenario == ROLLBACK else ROLLBACK)

    def through(self, scenario: str) -> None:
        """Take a scenario to its end."""
        self.ask(scenario)
        done = sluice(self.engine, *BACK) if scenario == ROLLBACK else self.engine.up()
        assert done.ok, done.out

    def learn(self, scenario: str) -> list[Point]:
        """Take a scenario to its end, and return the points that it has had."""
        tail = Tail(Path(self.engine.outputs()["journal"]))
        self.through(scenario)
        self.steps[scenario] = points(tail.lines())
        return self.steps[scenario]

    def again(self, row: Row) -> Result:
        """Run what was killed once more; of a way back that config has the release of, that is `pulumi up` as well."""
        self.engine.cancel()
        written = row.point.line.event is not Happened.ASKED
        if row.scenario == RELEASE or (row.victim == "both" and written):
            return self.engine.up()
        done = sluice(self.engine, *BACK)
        return self.engine.up() if not done.ok and self.engine.live == OLD else done


def table(shop: Shop) -> list[Row]:
    """Return all rows, a release and a way back in turn: each begins where the one before it ends."""
    victims = [one for one in VICTIMS if VICTIM in ("", one)]
    assert victims, f"SLUICE_MOMENTS_VICTIM={VICTIM} is none of {', '.join(VICTIMS)}"
    both = [[Row(name, point, victim) for point in shop.steps[name] for victim in victims] for name in (RELEASE, ROLLBACK)]
    return [row for pair in zip_longest(*both) for row in pair if row]


def chosen(rows: list[Row]) -> list[Row]:
    """Return those that are to be run, pairs of them from all over the table; the seeds from 0 on share it out among them."""
    if COUNT == "all":
        return rows
    pairs = [rows[at : at + 2] for at in range(0, len(rows), 2)]
    random.Random(0).shuffle(pairs)
    count = max(1, int(COUNT) // 2)
    mine = pairs[SEED * count : (SEED + 1) * count]
    assert mine, (
        f"SLUICE_MOMENTS_SEED={SEED} is beyond the table: {COUNT} of {len(rows)} rows at a time are seeds 0 to {(len(pairs) - 1) // count}"
    )
    return [row for pair in mine for row in pair]


@pytest.fixture(scope="module")
def shops() -> Iterator[Shops]:
    made = Shops()
    yield made
    made.close()


class Shops:
    """The stack that the rows run on, and a new one after a row that has not come out well."""

    def __init__(self) -> None:
        self.context: AbstractContextManager[Engine] | None = None
        self.shop: Shop | None = None

    def get(self) -> Shop:
        if self.shop is None:
            self.context = matrix(**ROLLOUT)
            engine = self.context.__enter__()
            want(engine, OLD, "0001")
            first = engine.up()
            assert first.ok, first.out
            ask(engine, "insert into orders (item) values ('boat')")
            self.shop = Shop(engine)
        return self.shop

    def close(self) -> None:
        if self.context is not None:
            self.context.__exit__(None, None, None)
        self.context = self.shop = None


def test_killed_at_every_moment(shops: Shops) -> None:
    """Whoever dies at whichever point, the database is as before a migration or as after it, and has no hole; the second run comes to
    what the first was to: the version, the schema, one of two weights, every backup whole, and nothing that nobody declared."""
    first = shops.get()
    for name in (RELEASE, ROLLBACK):
        print(f"\n{name}: {', '.join(point.text for point in first.learn(name))}")
    rows = table(first)
    run = chosen(rows)
    print(f"SLUICE_MOMENTS={COUNT} SLUICE_MOMENTS_SEED={SEED}: {len(run)} of {len(rows)} rows")
    wrong = [f"{row.text}: {why}" for row in run for why in tried(shops, row)]
    assert not wrong, "\n".join(wrong)


def tried(shops: Shops, row: Row) -> list[str]:
    """Run a row, print it, and return what is wrong after it."""
    begun = time.monotonic()
    shop = shops.get()
    spared = shop.spared
    try:
        shop.begin(row.scenario)
        found = killed(shop, row)
    except (AssertionError, psycopg.Error) as error:
        found = [f"{type(error).__name__}: {error}"]
    late = ", the update had ended by then" if shop.spared > spared else ""
    print(f"{row.text} | {'; '.join(found) or 'as it should be'}{late} | {time.monotonic() - begun:.1f} s", flush=True)
    if found:
        shops.close()
    return found


def killed(shop: Shop, row: Row) -> list[str]:
    """Kill, look, run again, and look again."""
    engine = shop.engine
    served = engine.live
    argv = shop.ask(row.scenario)
    tail = Tail(Path(engine.outputs()["journal"]))
    with engine.updating(*argv) as update:
        shop.spared += not strike(engine, update, tail, row.point, row.victim)
    found = [f"killed: {one}" for one in halfway(engine, {served, shop.asked}, HEARTBEAT)]
    kept = shelf.load(engine.root / "backups")
    done = shop.again(row)
    steps = STEPS[:1] if shop.asked == OLD else STEPS
    return [*found, *(ended(engine, shop.asked, steps, kept) if done.ok else [f"the second run failed: {done.out[-3000:]}"])]


def test_judge(shops: Shops) -> None:
    """What judges the rows finds nothing on a stack that is well, and each of the faults that it is there for."""
    shop = shops.get()
    shop.begin(ROLLBACK)
    engine = shop.engine
    kept = shelf.load(engine.root / "backups")
    assert [*schema(engine), *lost(engine, kept), *copies(engine), *strays(engine)] == []

    place = Path(kept[0].folder)
    aside = place.rename(engine.place / "aside")
    assert f"backup {kept[0].id} is lost" in lost(engine, kept)
    aside.rename(place)
    with (place / kept[0].manifest.parts[0].name).open("ab") as dump:
        dump.write(b"x")
    (damaged,) = lost(engine, kept)
    assert damaged.startswith(f"backup {kept[0].id}: {kept[0].manifest.parts[0].name}: ")

    ask(engine, "create database left_over")
    assert copies(engine) == ["database left_over is left over"]
    with subprocess.Popen(["sleep", "60"], cwd=engine.root) as stray:
        assert strays(engine, 0) == [f"process {stray.pid}: sleep 60 is left over"]
        stray.kill()
    ask(engine, "alter table orders drop column total")
    ask(engine, "update sluice_history.migration set state = 'failed' where id = '0003'")
    ask(engine, "delete from orders")
    begun, column, rows = schema(engine)
    assert begun.endswith("('0003_old', 'failed')]")
    assert column.endswith("('0003_old', 'failed')], and column False, view False")
    assert rows == "0 rows of 1"
