"""What a real engine has of a stack."""

from __future__ import annotations

import time
from secrets import token_hex

import pytest

from sluice.core.diagnosis.docker import Container
from sluice.systems import containers, docker
from tests.fixtures.docker import Run, engine, run
from tests.fixtures.front import wait

__all__ = ["engine", "run"]
pytestmark = pytest.mark.embedded
FOREVER = "sleep 1000"


def labels(stack: str, name: str, port: int = 0) -> list[str]:
    given = {"sluice.stack": stack, "sluice.name": name, **({"sluice.port": str(port)} if port else {})}
    return [word for label, value in given.items() for word in ("--label", f"{label}={value}")]


def looked(stack: str) -> dict[str, Container]:
    return {one.name: one for one in containers.look(stack)}


def test_look(run: Run):
    """A stack's containers, those that have ended too, with all that is judged; nothing of another stack."""
    stack, begun = f"looks-{token_hex(2)}", time.time()
    assert containers.look(stack) == []
    web = run(FOREVER, *labels(stack, "web@1", 20001), "--memory", "64m")
    run("exit 3", *labels(stack, "web@2"))
    run(FOREVER, *labels(f"{stack}-other", "web@1"))
    wait(lambda: looked(stack)["web@2"].status == "exited")
    found = looked(stack)
    one = found["web@1"]
    assert (one.called, one.status, one.restarts, one.oom, one.health, one.limit, one.port) == (web, "running", 0, False, "", 2**26, 20001)
    assert begun - 1 < one.since <= time.time() + 1
    assert (found["web@2"].exit, found["web@2"].port, found["web@2"].limit, sorted(found)) == (3, 0, 0, ["web@1", "web@2"])
    assert begun - 1 < found["web@2"].since <= time.time() + 1


def test_restarts(run: Run):
    """One that ends by itself is started again, which is counted."""
    stack = f"looks-{token_hex(2)}"
    run("exit 3", *labels(stack, "web@1"), "--restart", "always")
    wait(lambda: (one := looked(stack)["web@1"]).restarts > 1 and one.status == "restarting" and one.exit == 3, 60)


def test_health(run: Run):
    """What an image's own check says."""
    stack = f"looks-{token_hex(2)}"
    run(FOREVER, *labels(stack, "web@1"), "--health-cmd", "false", "--health-interval", "1s", "--health-retries", "1")
    wait(lambda: looked(stack)["web@1"].health == "unhealthy", 60)


def test_given(run: Run):
    """Ports are those of all stacks."""
    stack = f"looks-{token_hex(2)}"
    one, two = run("true", *labels(stack, "web@1", 20001)), run("true", *labels(f"{stack}-other", "web@1", 20001))
    run("true", *labels(stack, "worker@1"))
    found = containers.given()
    assert {name: found[name] for name in (one, two)} == {one: 20001, two: 20001}
    assert [name for name in found if name.startswith("sluice-test-")].count(one) == 1


def test_volumes(engine: None):
    """Volumes are found by the begin of their names."""
    stack = f"looks-{token_hex(2)}"
    docker.ask(["volume", "create", f"{stack}-data"])
    try:
        assert containers.volumes(stack) == [f"{stack}-data"]
        assert containers.volumes(f"{stack}-data") == []
    finally:
        docker.ask(["volume", "rm", f"{stack}-data"])


def test_built(run: Run):
    """Images are found by the begin of their names, with their size; one image may have several tags."""
    prefix = f"sluice/looks-{token_hex(2)}-"
    assert containers.built(prefix) == {}
    base = docker.ask(["inspect", "--format", "{{.Image}}", run("true")]).strip()
    tags = [f"{prefix}web:aaaaaaaaaaaa", f"{prefix}api:bbbbbbbbbbbb"]
    try:
        for tag in tags:
            docker.ask(["tag", base, tag])
        found = containers.built(prefix)
        assert sorted(found) == sorted(tags)
        assert all(size > 2**20 for size in found.values())
    finally:
        docker.ask(["image", "rm", *tags])


def test_room(run: Run):
    """A container sees the disk with all that the engine has."""
    found = containers.room(run(FOREVER), "/", needed=5)
    assert (found.needed, found.purposes) == (5, ["all that Docker keeps"])
    assert 0 < found.free < found.size
    assert found.path.startswith("/")
