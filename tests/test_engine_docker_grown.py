"""A release that adds a service and a table, in containers, and its way back; the real command provider takes part in all of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.load import Ask, Load
from sluice.systems import docker, shelf
from tests.fixtures import image
from tests.fixtures.docker import Contained
from tests.fixtures.engine import PROGRAM
from tests.fixtures.sluice import sluice

pytestmark = [pytest.mark.engine, pytest.mark.embedded]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Contained]:
    """A stack of one service, live as version 1; where it is now depends on the tests before."""
    if why := image.missing():
        pytest.skip(why)
    one = Contained(PROGRAM.parent / "grown")
    try:
        one.env["OFFSITE"] = str(tmp_path_factory.mktemp("offsite"))
        one.rollout(checks={name: {"off": True} for name in ("latency", "latency_delta", "error_delta")})
        release(one, "1", "0001")
        first = one.up()
        assert first.ok, first.out
        yield one
    finally:
        one.close()


def release(engine: Contained, version: str, schema: str) -> None:
    engine.configure("sluice:release", {"version": version, "schema": {"shop": schema}})


def load(engine: Contained) -> Load:
    """Load what both releases have."""
    return Load(engine.url, [Ask("GET", "/web/a"), Ask("POST", "/web/b", "{}")], rate=100, workers=8)


def doors(engine: Contained) -> list[str]:
    """Return the versions that the command provider has told the door of."""
    made = [str(one["inputs"]["create"]) for one in engine.checkpoint()["resources"] if one["type"] == "command:local:Command"]
    return sorted(line.split(" register ")[1].split()[0] for line in made if " register " in line)


def known(engine: Contained) -> list[str]:
    """Return the versions that Envoy has clusters for."""
    text = docker.ask(["exec", engine.called("grown-front"), "cat", "/front/cds.json"])
    return sorted(one["name"] for one in json.loads(text)["resources"])


def saved(folder: Path) -> list[str]:
    """Return the ids of the backups in a folder."""
    return sorted(one.id for one in shelf.load(folder))


def test_release(stack: Contained) -> None:
    """The new service starts beside the first, behind its own door; the database that the provider made is saved before it grows."""
    assert doors(stack) == known(stack) == stack.programs()
    assert [name.partition("@")[0] for name in known(stack)] == ["web"]
    release(stack, "2", "0002")
    with load(stack) as running:
        done = stack.up()
        assert done.ok, done.out
    print(f"\nup: {running.tally.text()}")
    assert running.tally.failed == 0, running.tally.reasons
    assert {name.partition("-")[0] for name in known(stack)} == {"api@2", "web@1", "web@2"}
    assert doors(stack) == known(stack) == stack.programs()
    assert stack.serving("/api/", 5) == stack.serving("/web/", 5) == {"2"}
    # The team's own command has run after the backup of this very release.
    assert saved(Path(stack.env["OFFSITE"])) == saved(stack.root / "backups") != []
    assert stack.sql("shop", "select count(*) from note") == [(0,)]


def test_rollback(stack: Contained) -> None:
    """`sluice rollback` gives the first service's traffic back; after the window the new one goes, its door with it, and images stay."""
    built = stack.built()
    assert {name.partition(":")[0].rpartition("-")[2] for name in built} == {"api", "web"}
    with load(stack) as running:
        back = sluice(stack, "rollback", "--yes", timeout=600)
        assert back.ok, back.out
        stack.config = {**stack.config, "sluice:release": {"version": "1", "schema": {"shop": "0001"}}}
        stack.rollout(window="0s")
        done = stack.up()
        assert done.ok, done.out
    print(f"\nrollback: {running.tally.text()}")
    assert running.tally.failed == 0, running.tally.reasons
    assert (stack.live, stack.serving()) == ("1", {"1"})
    assert [name.partition("-")[0] for name in known(stack)] == ["web@1"]
    assert doors(stack) == known(stack) == stack.programs()
    assert [name for name in docker.listed(stack.full) if "@2" in name] == []
    assert stack.built() == built
    assert saved(Path(stack.env["OFFSITE"])) == saved(stack.root / "backups")
    assert stack.sql("shop", "select name from item") == [("boat",)]


def test_destroyed(stack: Contained) -> None:
    """Destroying leaves nothing with the engine but images and the data."""
    done = stack.run("destroy", "--yes", "--skip-preview")
    assert done.ok, done.out
    assert stack.left() == {"volumes": [stack.called("grown-database-server-data")]}
