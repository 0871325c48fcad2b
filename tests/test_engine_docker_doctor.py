"""`sluice doctor` on a stack in containers of a real engine: well, and with all kinds of trouble at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sluice.systems import docker
from tests.fixtures import image
from tests.fixtures.docker import Contained
from tests.fixtures.sluice import sluice

pytestmark = [pytest.mark.engine, pytest.mark.embedded]
PROGRAM = Path(__file__).parent / "programs" / "held"


@pytest.fixture(scope="module")
def stack() -> Iterator[Contained]:
    """A stack with a database, on which version 1 is live."""
    if why := image.missing():
        pytest.skip(why)
    one = Contained(PROGRAM)
    try:
        one.release("1")
        done = one.up()
        assert done.ok, done.out
        yield one
    finally:
        one.close()


def findings(stack: Contained) -> list[dict[str, str]]:
    """Return what doctor finds, once a busy machine lets all of it be answered in time."""
    for _ in range(10):
        found = sluice(stack, "doctor", "--json")
        assert found.code in (0, 1), found.out
        result: list[dict[str, str]] = json.loads(found.out)
        if not any(one["seen"].startswith("no answer ") for one in result):
            break
    return result


def told(found: list[dict[str, str]], what: str) -> dict[str, str]:
    (one,) = [each for each in found if each["what"].startswith(what)]
    return one


def quiet(found: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return what is wrong with the stack, whatever else this machine has to bear; a first deployment has saved nothing yet."""
    return [one for one in found if one["state"] != "ok" and one["area"] != "machine" and one["what"] != "backup of 'shop'"]


def test_well(stack: Contained):
    """Of a stack that is well every part was asked, and nothing is found against it."""
    found = findings(stack)
    assert quiet(found) == []
    web = stack.program("web@1-")
    for what in (f"container of {web}", "container of toy-front", "container of toy-database-server", web, "web through the door", "envoy"):
        assert told(found, what)["state"] == "ok", what
    for what in ("keeper", "volumes", "images", "ports", "door web", f"log of {web}", f"memory of {web}", "server 127.0.0.1"):
        assert told(found, what)["state"] == "ok", what
    disk = next(one for one in found if "all that Docker keeps" in one["what"])
    assert (disk["area"], " free of " in disk["seen"]) == ("machine", True)


def test_trouble(stack: Contained):
    """A version that was stopped, a container that an update has left, an image of no release, and a port that two were given: each with
    its cause and what to type; typed, all is well again."""
    web, label = stack.program("web@1-"), f"toy-{stack.stack}"
    port = docker.listed(label)[web]["sluice.port"]
    left, built = stack.called("web@9-left"), f"sluice/{label}-web:000000000000"
    labels = {"sluice.stack": label, "sluice.name": "web@9-left", "sluice.port": port}
    try:
        docker.stop(stack.called(web), 1)
        named = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
        docker.ask(["create", "--name", left, *named, image.sluice(), "true"])
        docker.ask(["tag", image.sluice(), built])
        found = findings(stack)
        stopped = told(found, f"container of {web}")
        assert (stopped["state"], stopped["next"]) == ("problem", "pulumi up")
        assert "it was stopped by hand: what ends by itself is started again" in stopped["cause"]
        assert told(found, web)["state"] == told(found, "web through the door")["state"] == "problem"
        over = told(found, "container of web@9-left")
        assert (over["state"], over["seen"], over["next"]) == ("warning", "left over, created", f"docker rm --force {left}")
        twice = told(found, f"port {port}")
        assert (twice["state"], twice["seen"]) == ("problem", f"given to {stack.called(web)} and {left}")
        images = told(found, "images")
        assert (images["state"], images["next"]) == ("warning", f"docker image rm {built}")
    finally:
        docker.remove(left)
        docker.ask(["image", "rm", built])
    assert stack.up().ok
    assert quiet(findings(stack)) == []
