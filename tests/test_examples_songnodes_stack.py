"""songnodes' declaration: its checks against real services, and what it declares."""

from __future__ import annotations

import json
import os
import runpy
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from pulumi.runtime import config

from examples.songnodes.stack import Around, breakers, data, marks, migrations, monitored, quiet, requirement, watch, well
from sluice.components.marks import At
from sluice.core.check import Check
from sluice.core.clock import SystemClock
from sluice.core.errors import GateFailed
from sluice.core.gate import Gate
from sluice.core.journey import parse
from sluice.core.moment import Moment
from sluice.core.verdict import Outcome
from sluice.core.version import Version
from sluice.hooks.gate import wait as stand
from sluice.runtimes.process import runtime
from sluice.systems import ask
from sluice.systems import migrations as files
from tests.fixtures.front import free
from tests.fixtures.mock import Runtime, World
from tests.fixtures.songnodes import ENRICHMENT, EXAMPLE, GATEWAY, LETTERS, Songnodes
from tests.test_examples_songnodes_app import STROBE, provide

AROUND = Around(redis="redis://r", prometheus="http://p", grafana="http://g")
AT = {
    name: Version(service=name, version="1.1.0", name=f"{name}@1", url=f"http://{name}", log="/log")
    for name in (GATEWAY, LETTERS, ENRICHMENT)
}


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Give the stack the config that comes with the program, and a runtime with nothing behind it."""
    keys: dict[str, Any] = yaml.safe_load((EXAMPLE / "Pulumi.dev.yaml").read_text())["config"]
    config.set_all_config({key: value if isinstance(value, str) else json.dumps(value) for key, value in keys.items()})
    monkeypatch.setattr(runtime, "Process", Runtime)
    monkeypatch.syspath_prepend(EXAMPLE)
    # Another program's module of that name is not this one's.
    monkeypatch.delitem(sys.modules, "stack", raising=False)
    yield keys
    config.set_all_config({})


def test_declared(world: World, configured: dict[str, Any]):
    """Its own config declares a whole release: three services in the runbook's order, seven groups of smoke tests, and its migrations."""
    world.run(lambda: runpy.run_path(str(EXAMPLE / "__main__.py")) and None)
    services = {one.inputs["service"]: one for one in world.asked if one.type == "test:index:Service"}
    assert list(services) == [GATEWAY, LETTERS, ENRICHMENT]
    assert services[GATEWAY].name in services[LETTERS].after
    assert services[LETTERS].name in services[ENRICHMENT].after
    assert services[ENRICHMENT].inputs["env"]["API_GATEWAY_INTERNAL_URL"] == f"http://{GATEWAY}-1.0.0"
    (wanted,) = world["songnodes-expand-run"].inputs["databases"]
    assert wanted["target"] == configured["sluice:release"]["schema"]["musicdb"] == "0004"
    assert [journey.name for journey in parse(world["songnodes-smoke-journeys"].inputs["journeys"])] == [
        "gateway health and search",
        "circuit breakers are closed",
        "enrichment health and configuration",
        "enrichment end to end",
        "dead letters",
        "medallion tables",
        "waterfall is seeded",
    ]


@pytest.mark.parametrize(("version", "last"), [("1.0.0", "0005"), ("1.1.0", "0005"), ("1.7.0", "0007")])
def test_migrations(version: str, last: str):
    """A version that is to be stopped brings its own migration; no other has it."""
    assert files.read(migrations(version)["musicdb"])[-1].id == last


def test_checks():
    """The health gate asks each service for all that it needs; Prometheus and Grafana are asked where they are."""
    assert [check.name for check in well(AT[ENRICHMENT])] == [
        f"{ENRICHMENT}: postgres",
        f"{ENRICHMENT}: rabbitmq",
        f"{ENRICHMENT}: gateway",
        f"{ENRICHMENT}: facts with sources",
    ]
    assert [check.name for check in watch(AT[GATEWAY], AROUND)] == [f"{GATEWAY}: breakers not closed", f"{GATEWAY}: errors in the log"]
    assert [check.name for check in watch(AT[LETTERS], AROUND)] == [f"{LETTERS}: errors in the log"]
    assert (breakers(AT[GATEWAY], AROUND)[0].lasts, quiet(AT[LETTERS], AROUND).of["last"]) == (300, 1800)
    assert [check.name for check in monitored(AROUND)] == ["Prometheus: targets that are up", "Grafana: its database"]
    assert monitored(Around(redis="redis://r")) == []


def test_requirement():
    """Before anything begins: room, memory, both servers, and a clean checkout where config says so; no password goes along."""
    found = requirement(Around(redis="redis://:planted@r/0", broker="amqp://m:5672", committed=True), "Pulumi.dev.yaml")
    assert (list(found.disk_free_bytes.values()), found.memory_free_bytes) == ([10 * 2**30], 8 * 2**30)
    assert found.servers == {"Redis": "redis://r:6379", "RabbitMQ": "amqp://m:5672"}
    assert list(found.committed.values()) == [["Pulumi.dev.yaml"]]
    assert requirement(Around(redis="redis://r:1"), "x").committed == {}


def test_marks():
    """Half an hour later all of it is asked again: health, breakers, logs, layers, monitoring; every question can be put."""
    asked = marks(AROUND)(At(after=1800, versions=AT, databases={"musicdb": {"host": "h", "dbname": "musicdb", "user": "u"}}))
    names = [check.name for check in asked]
    assert len(names) == len(set(names)) == 9 + 4 + 2 + 2 - 1
    assert [why for check in asked for why in ask.problems(check)] == []


# against real services


def version(songnodes: Songnodes, service: str) -> Version:
    return Version(service=service, version="1.1.0", name=f"{service}@1", url=songnodes.urls[service], log=str(songnodes.log(service)))


def gate(checks: list[Check], deadline: float) -> list[str]:
    """Stand at a gate; return what its checks came to."""
    rules = Gate(moment=Moment.HEALTH, subject="songnodes", checks=checks, deadline=deadline, poll=0.2)
    return [verdict.text for verdict in stand(rules, SystemClock())]


@pytest.mark.embedded
def test_a_breaker_resets(songnodes: Songnodes):
    """The health gate waits for a breaker that is open: it opens once the provider is back and the breaker has closed by itself."""
    port = free()
    songnodes.start(GATEWAY, SPOTIFY_URL=f"http://127.0.0.1:{port}", BREAKER_PAUSE="1")
    for number in range(3):
        songnodes.ask(GATEWAY, "/api/spotify/search", {**STROBE, "track_title": f"{number} {port}"})
    checks = [*well(version(songnodes, GATEWAY)), *breakers(version(songnodes, GATEWAY), Around(redis="", reset=30))]
    assert ask.verdict(checks[-1]).outcome is Outcome.FAILED
    server, begun = provide(port), time.monotonic()
    seen = gate(checks, 30)
    server.shutdown()
    assert seen[-1].startswith(f"{GATEWAY}: breakers not closed: 0 (")
    assert time.monotonic() - begun > 0.2


@pytest.mark.embedded
def test_a_breaker_stays_open(songnodes: Songnodes):
    """A provider that does not come back fails the gate at its deadline, with what to do about it."""
    port = free()
    songnodes.start(GATEWAY, DISCOGS_URL=f"http://127.0.0.1:{port}", BREAKER_PAUSE="60")
    for number in range(3):
        songnodes.ask(GATEWAY, "/api/discogs/search", {**STROBE, "track_title": f"{number} {port}"})
    with pytest.raises(GateFailed) as failed:
        gate(breakers(version(songnodes, GATEWAY), Around(redis="", reset=1)), 2)
    told = f"health of songnodes: {GATEWAY}: breakers not closed 1 != 0 ({songnodes.urls[GATEWAY]}/health, status 200) "
    assert (
        str(failed.value)
        == f"{told}[P2: check the provider's credentials and rate limits; a restart resets it]; 1 of 1 check failed within 2 s"
    )


@pytest.mark.embedded
def test_errors_in_the_log(songnodes: Songnodes):
    """One error within the time fails the look at the log, and has passed out of sight after it."""
    songnodes.start(GATEWAY, SPOTIFY_URL="http://127.0.0.1:1")
    check = quiet(version(songnodes, GATEWAY), Around(redis="", quiet=2))
    assert ask.verdict(check).outcome is Outcome.PASSED
    songnodes.ask(GATEWAY, "/api/spotify/search", {**STROBE, "track_title": f"Strobe {free()}"})
    assert ask.verdict(check).text.startswith(f"{GATEWAY}: errors in the log 1 != 0 ")
    time.sleep(2.1)
    songnodes.ask(GATEWAY, "/metrics")
    assert ask.verdict(check).outcome is Outcome.PASSED


@pytest.mark.embedded
def test_layers(songnodes: Songnodes, cluster: dict[str, Any]):
    """What stays in Bronze is seen after a minute, and what reaches Gold as something else at once."""
    stores = {"musicdb": songnodes.where}
    put = "insert into raw_track_enrichment_requests (track_id, trace_id, payload, received_at) values"
    songnodes.rows(f"""{put} ('a', 't', '{{"artist_name": "A", "track_title": "T"}}', now() - interval '2 minutes')""")
    gold = "insert into enriched_tracks (track_id, artist_name, track_title, facts, sources) values ('a', '{}', '{}', '{{}}', '{{}}')"
    songnodes.rows(gold.format("A", "T"))
    assert [ask.verdict(check).text.partition(" (")[0] for check in data(stores)] == [
        "requests that stay in Bronze 1 != 0",
        "tracks in Gold that differ from Bronze: 0",
    ]
    songnodes.rows("insert into enrichment_requests (raw_id, track_id) select id, track_id from raw_track_enrichment_requests")
    songnodes.rows("update enriched_tracks set artist_name = 'T', track_title = 'A'")
    assert [ask.verdict(check).text.partition(" (")[0] for check in data(stores)] == [
        "requests that stay in Bronze: 0",
        "tracks in Gold that differ from Bronze 1 != 0",
    ]


def test_grafana():
    """A Grafana that runs is well by its own word, and the check passes."""
    url = os.environ.get("SLUICE_TEST_GRAFANA")
    if not url:
        pytest.skip("no Grafana here: set SLUICE_TEST_GRAFANA to the URL of one that runs")
    (check,) = monitored(Around(redis="", grafana=url))
    assert ask.verdict(check).outcome is Outcome.PASSED
