"""songnodes in containers, its program as it is, with the real engine and plugins, database, cache, broker and Prometheus.

Each phase is under load, and prints what became of it.
"""

from __future__ import annotations

import json
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
from tests.fixtures.songnodes import ENRICHMENT, EXAMPLE, GATEWAY, LADDER, LETTERS, MODULES, configure, load, then_live_serves

pytestmark = [pytest.mark.engine, pytest.mark.embedded]
SLOW = [{**step, "soak": "30s"} for step in LADDER]


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


def release(engine: Contained, version: str, schema: str = "0004", **services: str) -> None:
    """Configure a release; keywords are modules of services, with the version that is theirs alone."""
    own = {name: {"version": services[module]} for name, module in MODULES.items() if module in services}
    engine.configure("sluice:release", {"version": version, "schema": {"musicdb": schema}, **({"services": own} if own else {})})


def test_told(songnodes: Contained) -> None:
    """1.0.0 has its layers; `status`, `check health` and `doctor` know a stack in containers."""
    applied = songnodes.sql("musicdb", "select version, success from schema_migrations order by 1")
    assert applied == [("0001", True), ("0002", True), ("0003", True), ("0004", True)]
    found = told(songnodes, "status")
    assert (found["live"]["version"], found["settled"], found["locks"], found["pending"]) == ("1.0.0", True, [], [])
    assert {door.split()[0]: set(parts.values()) for door, parts in found["traffic"].items()} == {name: {100} for name in MODULES}
    health = sluice(songnodes, "check", "health")
    assert health.ok, health.out
    seen = json.loads(sluice(songnodes, "doctor", "--json").out)
    services = {one["what"]: one["state"] for one in seen if one["area"] == "services"}
    assert {"keeper", *(f"{name} through the door" for name in MODULES), *songnodes.programs()} <= set(services)
    assert {state for what, state in services.items() if not what.startswith(("log of", "memory of"))} == {"ok"}, seen


@pytest.mark.parametrize(
    ("service", "version", "why"),
    [
        ("enrichment", "1.2.0", "the waterfall's configuration cannot be read: unknown key 'priorities'"),
        ("gateway", "1.4.0", "gateway health and search"),
        ("enrichment", "1.6.0", "tracks in Gold that differ from Bronze"),
    ],
)
def test_a_broken_release(songnodes: Contained, service: str, version: str, why: str) -> None:
    """One ends at its start, one is refused by smoke tests, one by its canary: 1.0.0 serves all the time, with no failed request."""
    release(songnodes, "1.0.0", **{service: version})
    with loaded(songnodes, f"{service} {version}") as running:
        failed = songnodes.up()
    assert not failed.ok, failed.out
    assert why in failed.errors[0], failed.out
    then_live_serves(songnodes, running, "1.0.0")


def test_abort(songnodes: Contained) -> None:
    """`sluice abort` takes the traffic from a running update, which fails, and writes config back; the next update removes what it was."""
    songnodes.rollout(ladder=SLOW)
    release(songnodes, "1.0.1")
    with loaded(songnodes, "abort") as running, songnodes.updating() as update:
        songnodes.meet(update, lambda stack: stack.at(25))
        aborted = sluice(songnodes, "abort", "--message", "an alarm")
        assert aborted.ok, aborted.out
        assert songnodes.share.weight == 0
        assert update.wait(timeout=60) != 0
        assert "config names '1.0.0-" in aborted.out, aborted.out
        # As abort has left it.
        cleaned = songnodes.up()
        assert cleaned.ok, cleaned.out
    then_live_serves(songnodes, running, "1.0.0")
    assert not [name for name in songnodes.programs() if "@1.0.1" in name]
    songnodes.rollout(ladder=LADDER)


def test_a_good_release(songnodes: Contained) -> None:
    """1.1.0 brings a migration, with a backup and a rehearsal, and takes over without a failed request; what it replaces stays warm."""
    release(songnodes, "1.1.0", "0005")
    with loaded(songnodes, "up") as running:
        done = songnodes.up()
        assert done.ok, done.out
    then_live_serves(songnodes, running)
    assert songnodes.sql("musicdb", "select success from schema_migrations where version = '0005'") == [(True,)]
    assert len(shelf.load(songnodes.root / "backups")) == 1
    assert len(songnodes.programs()) == 6


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


def test_rollback(songnodes: Contained) -> None:
    """`sluice rollback` takes the traffic back to 1.0.0, which was warm all the time, and leaves the database ahead of it."""
    with loaded(songnodes, "rollback") as running:
        back = sluice(songnodes, "rollback", "--severity", "P1", "--yes", timeout=600)
        assert back.ok, back.out
    then_live_serves(songnodes, running, "1.0.0")
    assert told(songnodes, "status")["live"]["version"] == "1.0.0"


def test_destroyed(songnodes: Contained) -> None:
    """Destroying leaves nothing with the engine but images and the data."""
    done = songnodes.run("destroy", "--yes", "--skip-preview")
    assert done.ok, done.out
    assert songnodes.left() == {"volumes": [songnodes.called("songnodes-database-server-data")]}
