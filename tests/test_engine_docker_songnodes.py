"""songnodes in containers, its program as it is, with the real engine and plugins, database, cache, broker and Prometheus.

A release is under load, and prints what became of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from bench.load import Load
from sluice.systems import shelf
from tests.fixtures import image
from tests.fixtures.brokers import broker, cache
from tests.fixtures.docker import Contained, bridge
from tests.fixtures.prometheus import Jobs
from tests.fixtures.sluice import sluice, told
from tests.fixtures.songnodes import ENRICHMENT, EXAMPLE, GATEWAY, LETTERS, MODULES, configure, load, then_live_serves

pytestmark = [pytest.mark.engine, pytest.mark.embedded]


@pytest.fixture(scope="module")
def songnodes() -> Iterator[Contained]:
    """Given songnodes 1.0.0, live as its own config has it; cache and broker are this machine's, where containers reach them."""
    if why := image.missing():
        pytest.skip(why)
    host = bridge()
    with cache(host) as redis, broker(host) as rabbitmq:
        one = Contained(EXAMPLE)
        try:
            configure(one, redis, rabbitmq)
            first = one.up()
            assert first.ok, first.out
            yield one
        finally:
            one.close()


@contextmanager
def loaded(engine: Contained, phase: str) -> Iterator[Load]:
    """Have load while something happens, and say what became of it."""
    with load(engine) as running:
        yield running
    print(f"\n{phase}: {running.tally.text()}")


def test_a_good_release(songnodes: Contained) -> None:
    """1.0.0 has its layers; 1.1.0 brings a migration, with a backup and a rehearsal, and takes over; no request fails."""
    applied = songnodes.sql("musicdb", "select version, success from schema_migrations order by 1")
    assert applied == [("0001", True), ("0002", True), ("0003", True), ("0004", True)]
    songnodes.configure("sluice:release", {"version": "1.1.0", "schema": {"musicdb": "0005"}})
    with loaded(songnodes, "up") as running:
        done = songnodes.up()
        assert done.ok, done.out
    then_live_serves(songnodes, running)
    assert songnodes.sql("musicdb", "select success from schema_migrations where version = '0005'") == [(True,)]
    assert len(shelf.load(songnodes.root / "backups")) == 1
    assert len(songnodes.programs()) == 6


def test_told(songnodes: Contained) -> None:
    """`status` and `check health` know a stack in containers."""
    found = told(songnodes, "status")
    assert (found["live"]["version"], found["settled"], found["locks"], found["pending"]) == ("1.1.0", True, [], [])
    assert {door.split()[0]: set(parts.values()) for door, parts in found["traffic"].items()} == {name: {100} for name in MODULES}
    health = sluice(songnodes, "check", "health")
    assert health.ok, health.out


def test_monitoring(songnodes: Contained, prometheus: Callable[[Jobs], str]) -> None:
    """At a mark Prometheus is asked whether it scrapes every service, here through the door: one that it lacks is told."""
    door = songnodes.url.removeprefix("http://")
    songnodes.configure("songnodes:prometheus", prometheus({name: (door, f"/{name}/metrics") for name in (GATEWAY, LETTERS)}))
    checks = songnodes.config["sluice:rollout"]["checks"]
    songnodes.rollout(marks=[{"after": "1s", "window": "1s"}], patience="5s", checks={**checks, "error_rate": {"off": True}})
    with load(songnodes):
        failed = songnodes.up()
    assert not failed.ok
    assert f"Prometheus: targets that are up 66.7 % != 100.0 % (2 of 3 up; {ENRICHMENT}: no target)" in failed.errors[0], failed.out
    songnodes.config.pop("songnodes:prometheus")
    songnodes.rollout(marks=[], patience="15s", checks=checks)
