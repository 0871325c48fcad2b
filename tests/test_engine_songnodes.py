"""songnodes with the real engine, database, cache and broker: a good release, and the bad ones, each stopped where it is meant to be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bench.load import Load
from sluice.runtimes.process.folder import Folder
from tests.fixtures.engine import Engine
from tests.fixtures.front import free
from tests.fixtures.prometheus import Jobs
from tests.fixtures.songnodes import ENRICHMENT, EXAMPLE, GATEWAY, LETTERS, configure, load, then_live_serves

pytestmark = [pytest.mark.engine, pytest.mark.embedded]


@pytest.fixture(scope="module")
def songnodes(redis: str, rabbitmq: str) -> Iterator[Engine]:
    """Given songnodes 1.0.0, live as its own config has it, with servers of the tests behind it."""
    one = Engine(EXAMPLE, stack="dev")
    try:
        configure(one, redis, rabbitmq)
        first = one.up()
        assert first.ok, first.out
        yield one
    finally:
        one.close()


def begun(engine: Engine, version: str) -> list[str]:
    """Return when each service said that it listens, in the order of the runbook."""
    names = [engine.program(f"{service}@{version}") for service in (GATEWAY, LETTERS, ENRICHMENT)]
    logs = [Folder(engine.root).log(name).read_text() for name in names]
    return [next(json.loads(line)["time"] for line in log.splitlines() if "listens" in line) for log in logs]


def when_released(engine: Engine, version: str, *, schema: str = "0005", services: dict[str, Any] | None = None) -> tuple[str, Load]:
    """Release a bad version under load; return what the update said."""
    release = {"version": version if services is None else "1.1.0", "schema": {"musicdb": schema}}
    engine.configure("sluice:release", release | ({"services": services} if services else {}))
    with load(engine) as running:
        result = engine.up()
    assert not result.ok, result.out
    return result.errors[0], running


def test_a_good_release(songnodes: Engine) -> None:
    """1.0.0 came in the order of the runbook, with its layers; 1.1.0 brings a migration and takes over without a failed request."""
    assert begun(songnodes, "1.0.0") == sorted(begun(songnodes, "1.0.0"))
    told = songnodes.sql("musicdb", "select version, success from schema_migrations")
    assert told == [("0001", True), ("0002", True), ("0003", True), ("0004", True)]
    songnodes.configure("sluice:release", {"version": "1.1.0", "schema": {"musicdb": "0005"}})
    with load(songnodes) as running:
        done = songnodes.up()
    assert done.ok, done.out
    then_live_serves(songnodes, running)
    assert begun(songnodes, "1.1.0") == sorted(begun(songnodes, "1.1.0"))
    assert songnodes.sql("musicdb", "select success from schema_migrations where version = '0005'") == [(True,)]
    left = "select track_id from raw_track_enrichment_requests where track_id like 'test-e2e-%'"
    assert songnodes.sql("musicdb", left) == []


def test_monitoring(songnodes: Engine, prometheus: Callable[[Jobs], str]) -> None:
    """Half an hour later (here a second) the live release is looked at: its layers, its logs, and whether Prometheus scrapes all of it."""
    door = songnodes.url.removeprefix("http://")
    url = prometheus({service: (door, f"/{service}/metrics") for service in (GATEWAY, LETTERS)})
    songnodes.configure("songnodes:prometheus", url)
    # So short a window may see nobody, which is another test's matter.
    checks = songnodes.config["sluice:rollout"]["checks"]
    songnodes.rollout(marks=[{"after": "1s", "window": "1s"}], patience="5s", checks={**checks, "error_rate": {"off": True}})
    with load(songnodes):
        failed = songnodes.up()
    assert not failed.ok
    assert f"Prometheus: targets that are up 66.7 % != 100.0 % (2 of 3 up; {ENRICHMENT}: no target)" in failed.errors[0], failed.out
    songnodes.config.pop("songnodes:prometheus")
    songnodes.rollout(marks=[], patience="15s", checks=checks)


def test_a_machine_that_is_not_ready(songnodes: Engine) -> None:
    """Whatever is missing is told at once, each with a remedy, before anything of the release begins."""
    ready = {key: songnodes.config[key] for key in ("songnodes:broker", "songnodes:memory")}
    songnodes.config |= {"songnodes:broker": f"amqp://127.0.0.1:{free()}", "songnodes:memory": 1e6}
    songnodes.configure("sluice:release", {"version": "1.1.1", "schema": {"musicdb": "0005"}})
    refused = songnodes.up()
    assert not refused.ok
    assert "1.1.1" not in " ".join(songnodes.programs())
    said = " ".join(refused.out.split())
    assert "does not begin, nothing was touched: 2 things to mend" in said, refused.out
    assert "MiB needed: stop something" in said
    assert "cannot be reached (connection refused): start it, or correct its address" in said
    songnodes.config |= ready


def test_a_service_that_ends_at_its_start(songnodes: Engine) -> None:
    """1.2.0 of one service ends: the update fails with its last words, and nothing of it is left."""
    error, running = when_released(songnodes, "1.2.0", services={ENRICHMENT: {"version": "1.2.0"}})
    assert "the waterfall's configuration cannot be read: unknown key 'priorities'" in error
    then_live_serves(songnodes, running)
    assert not [name for name in songnodes.programs() if "@1.2.0" in name]


def test_an_unhealthy_service(songnodes: Engine) -> None:
    """1.3.0 of the dead letters never gets well, so enrichment, which needs it, is not even started."""
    error, running = when_released(songnodes, "1.3.0", services={LETTERS: {"version": "1.3.0"}})
    assert f"{LETTERS}@1.3.0" in error, error
    assert "503" in error, error
    then_live_serves(songnodes, running)
    assert [name.partition("-")[0] for name in songnodes.programs() if name.startswith(ENRICHMENT)].count("metadata") <= 2


def test_a_failing_smoke_test(songnodes: Engine) -> None:
    """1.4.0 of the gateway is well, and finds nothing: the smoke tests say so before anybody else meets it."""
    error, running = when_released(songnodes, "1.4.0", services={GATEWAY: {"version": "1.4.0"}})
    assert "gateway health and search" in error, error
    then_live_serves(songnodes, running)


def test_wrong_data(songnodes: Engine) -> None:
    """1.6.0 passes everything that asks for answers; what it leaves in Gold is compared with Bronze, and ends its canary."""
    error, running = when_released(songnodes, "1.6.0", services={ENRICHMENT: {"version": "1.6.0"}})
    assert re.search(r"failed at (25|100) %: tracks in Gold that differ from Bronze \d+ != 0", error), error
    then_live_serves(songnodes, running)


def test_a_migration_that_breaks(songnodes: Engine) -> None:
    """1.7.0's migration fails on a copy of the database, which has tracks: the live one is not touched."""
    error, running = when_released(songnodes, "1.7.0", schema="0007")
    assert "0007_length" in error, error
    then_live_serves(songnodes, running)
    assert songnodes.sql("musicdb", "select version from schema_migrations order by 1 desc limit 1") == [("0005",)]
