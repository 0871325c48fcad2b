"""A stack on a Docker engine of another machine: one whose loopback and files are not this machine's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bench.load import Ask, Load
from sluice.systems import docker, flags
from tests.fixtures.docker import Contained
from tests.fixtures.far import Far, elsewhere, lacking
from tests.fixtures.sluice import sluice, told

pytestmark = [pytest.mark.engine, pytest.mark.embedded]
PROGRAM = Path(__file__).parent / "programs" / "held"


@pytest.fixture(scope="module")
def far() -> Iterator[Far]:
    """Another engine, which the client and the providers find by DOCKER_HOST."""
    if why := lacking():
        pytest.skip(why)
    with pytest.MonkeyPatch.context() as patch, elsewhere() as found:
        patch.setenv("DOCKER_HOST", found.host)
        yield found


@pytest.fixture(scope="module")
def stack(far: Far) -> Iterator[Contained]:
    """A stack there, on which version 1 is live."""
    one = Contained(PROGRAM)
    try:
        one.release("1")
        refused = one.preview()
        assert not refused.ok
        why = f"the engine is at '{far.host}', and containers would be published on the loopback of its machine"
        assert f"RuntimeFailed: {why}, which this one does not reach; run: pulumi config set --path sluice:runtime.address" in refused.out
        one.configure("sluice:runtime", {**one.config["sluice:runtime"], "address": far.address})
        done = one.up()
        assert done.ok, done.out
        yield one
    finally:
        one.close()


def load(stack: Contained) -> Load:
    return Load(stack.url, [Ask("GET", "/web/a"), Ask("POST", "/web/b", "{}")], rate=60)


def test_elsewhere(stack: Contained, far: Far):
    """All of it is over there: published on that machine's address, with nothing of this one's files, and its database answers."""
    assert stack.url.startswith(f"http://{far.address}:")
    assert stack.serving() == {"1"}
    assert stack.sql("shop", "select 1") == [(1,)]
    assert stack.outputs()["databases"]["shop"]["host"] == far.address
    mounts = json.loads(
        docker.ask(["inspect", "--format", "{{json .Mounts}}", *(stack.called(name) for name in docker.listed(label(stack)))]).splitlines()[
            0
        ]
    )
    assert {one["Type"] for one in mounts} == {"volume"}
    port = stack.url.rpartition(":")[2]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/web/")


def label(stack: Contained) -> str:
    return f"toy-{stack.stack}"


def test_flags(stack: Contained):
    """A flag is read by versions there, switched by an update, and by hand without one."""
    stack.configure("sluice:release", {"version": "1", "flags": {"beta": True}})
    assert stack.up().ok
    file = stack.outputs()["flags"]
    web = stack.called(stack.program("web@1-"))
    seen = ["exec", web, "sh", "-c", 'cat "$SLUICE_FLAGS"']
    assert json.loads(docker.ask(seen)) == flags.read(Path(file)) == {"beta": True}
    flags.put(Path(file), "beta", False)
    assert json.loads(docker.ask(seen)) == {"beta": False}
    done = stack.up()
    assert done.ok, done.out
    assert json.loads(docker.ask(seen)) == {"beta": True}


def test_secrets(stack: Contained):
    """The database's password is in no command line, output or plain state, and in the volume for root alone."""
    (file,) = (stack.root / "secrets").glob("*.password")
    word = file.read_text()
    there = ["exec", stack.called("toy-database-server"), "sh", "-c", f"cat {file}; ls -ln {file}"]
    content = docker.ask(there)
    assert content.startswith(word)
    assert "-rw-------" in content
    names = [stack.called(name) for name in docker.listed(label(stack))]
    assert word not in docker.ask(["inspect", *names])
    assert word not in stack.run("stack", "export").out


def test_climbs_and_goes_back(stack: Contained):
    """A good version takes over there and is taken back again, held on its way in between, and no request fails."""
    stack.rollout(until=25, hold="1h", patience="60s")
    stack.release("2")
    with load(stack) as running:
        done = stack.up()
        assert done.ok, done.out
        status = told(stack, "status")
        assert (status["held"]["weight"], status["watched"]["by"], status["watched"]["keeper"]) == (25, "keeper", True)
        stack.rollout(until=100)
        done = stack.up()
        assert done.ok, done.out
        assert (stack.live, stack.serving()) == ("2", {"2"})
        stack.release("1")
        done = stack.up()
        assert done.ok, done.out
        assert (stack.live, stack.serving()) == ("1", {"1"})
    assert running.tally.failed == 0, running.tally.text()


def test_doctor(stack: Contained):
    """Everything is asked there as it is here."""
    for _ in range(10):
        found = json.loads(sluice(stack, "doctor", "--json").out)
        # A busy machine does not answer in time.
        if not any(one["seen"].startswith("no answer ") for one in found):
            break
    wrong = [one for one in found if one["state"] != "ok" and one["area"] != "machine" and one["what"] != "backup of 'shop'"]
    assert wrong == []


def test_destroyed(stack: Contained):
    """Destroying leaves the data there, and nothing else."""
    done = stack.run("destroy", "--yes", "--skip-preview")
    assert done.ok, done.out
    assert stack.left() == {"volumes": [stack.called("toy-database-server-data")]}
    done = stack.up()
    assert done.ok, done.out
    assert stack.sql("shop", "select 1") == [(1,)]
