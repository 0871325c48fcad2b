"""A release in containers, with the real engine, the real plugins and a real Docker: what holds for processes holds here."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from sluice.systems import docker
from tests.fixtures import image
from tests.fixtures.docker import Contained
from tests.fixtures.engine import QUICK

pytestmark = [pytest.mark.engine, pytest.mark.embedded]
SLOW = [{**rung, "soak": "4s"} for rung in QUICK["ladder"]]


@pytest.fixture(scope="module")
def stack() -> Iterator[Contained]:
    """A stack on which version 1 is live; each test leaves it so."""
    if why := image.missing():
        pytest.skip(why)
    one = Contained()
    try:
        one.release("1")
        done = one.up()
        assert done.ok, done.out
        assert one.live == "1"
        yield one
    finally:
        one.close()


def back(stack: Contained) -> None:
    """Go back to version 1, and see that it serves."""
    stack.release("1")
    done = stack.up()
    assert done.ok, done.out
    assert stack.serving() == {"1"}


def test_climbs(stack: Contained):
    """A good version takes over beside the old one, and going back is a change of weights: no request fails on either way."""
    stack.release("2")
    with stack.load() as load:
        done = stack.up()
        assert done.ok, done.out
        assert (stack.live, stack.serving(), len(stack.programs())) == ("2", {"2"}, 4)
        marks = {name: docker.state(stack.called(name)) for name in stack.programs()}
        back(stack)
    assert load.tally.failed == 0, load.tally.text()
    # Its container was there all the time.
    assert all(docker.state(stack.called(name)) == mark for name, mark in marks.items() if "@1-" in name)


def test_a_bad_version(stack: Contained):
    """One that fails requests gets no further than its first step, in one clear line, and the old one serves all others."""
    stack.release("3", web={"FAIL_RATE": "0.4"})
    with stack.load() as load:
        done = stack.up()
    assert not done.ok
    assert any("GateFailed: canary of 3-" in line and "failed at 10 %: web: error rate" in line for line in done.errors), done.out
    assert "Traceback" not in done.out
    assert (load.tally.failed, stack.share.weight, stack.live, stack.serving()) == (0, 0, "1", {"1"})
    back(stack)


def test_a_version_that_does_not_start(stack: Contained):
    """One that ends at start never comes near traffic, and the next update forgets nothing: it is asked again, and fails again. The failure
    has its last words, and its container goes with the way back."""
    stack.release("4", web={"CRASH": "no such table"})
    with stack.load() as load:
        tries = [stack.up(), stack.up()]
    for done in tries:
        assert not done.ok
        (error,) = {line.partition("RuntimeFailed: ")[2] for line in done.errors if "RuntimeFailed" in line}
        assert "' did not start: it ended at start (exit code 1); its last log lines: no such table; all of them: docker logs " in error
    assert (load.tally.failed, stack.live, stack.serving()) == (0, "1", {"1"})
    back(stack)
    assert not [name for name in docker.listed(f"toy-{stack.stack}") if "@4-" in name]


def test_a_killed_update(stack: Contained):
    """An update that is killed in its canary leaves traffic to nobody: the keeper in the door's container takes it back."""
    stack.rollout(ladder=SLOW, heartbeat="4s")
    stack.release("5")
    with stack.load() as load, stack.updating() as update:
        stack.wait(lambda: stack.at(10), 120)
        stack.kill(update)
        begun = time.monotonic()
        stack.wait(lambda: stack.share.weight == 0, 20)
        assert time.monotonic() - begun < 10
        assert stack.serving() == {"1"}
    assert load.tally.failed == 0, load.tally.text()
    assert stack.cancel().ok
    stack.rollout(ladder=QUICK["ladder"])
    back(stack)


def test_a_large_image(stack: Contained):
    """A version whose image was built too large is refused in one line before it starts; what serves is not asked, and serves on."""
    place = stack.config["sluice:runtime"]
    stack.configure("sluice:runtime", {**place, "largest": "1MB"})
    assert stack.up().ok
    stack.release("7")
    with stack.load() as load:
        done = stack.up()
    assert not done.ok
    (error,) = {line.partition("RuntimeFailed: ")[2] for line in done.errors if "RuntimeFailed: 'web@7-" in line}
    assert "' was not started: image 'sluice/toy-" in error
    assert ", and 1MB is the most: see its layers, docker history sluice/toy-" in error
    assert (load.tally.failed, stack.live, stack.serving()) == (0, "1", {"1"})
    assert not [name for name in docker.listed(f"toy-{stack.stack}") if "@7-" in name]
    stack.configure("sluice:runtime", place)
    back(stack)


def test_told_to_stop(stack: Contained):
    """An update that is told to stop gives all traffic back first."""
    stack.rollout(ladder=SLOW)
    stack.release("6")
    with stack.load() as load, stack.updating() as update:
        stack.wait(lambda: stack.at(10), 120)
        os.killpg(update.pid, signal.SIGINT)
        stack.wait(lambda: stack.share.weight == 0, 20)
    assert load.tally.failed == 0, load.tally.text()
    stack.rollout(ladder=QUICK["ladder"])
    back(stack)


def test_repaired(stack: Contained):
    """A stopped container is started by a plain `up`; one that was removed is told as such, and comes back after a refresh."""
    web = stack.program("web@1-")
    docker.stop(stack.called(web), 1)
    assert stack.up().ok
    assert stack.runs(web)
    docker.remove(stack.called(web))
    done = stack.up()
    assert not done.ok
    why = f"RuntimeFailed: container '{stack.called(web)}' is gone, and was not removed by Pulumi: run `pulumi refresh`, then `pulumi up`"
    assert why in done.out
    assert stack.run("refresh", "--yes").ok
    done = stack.up()
    assert done.ok, done.out
    assert stack.serving() == {"1"}
    assert stack.up().out.count("unchanged") == 1


def test_destroyed(stack: Contained):
    """Destroying leaves nothing with the engine but images; the next update begins anew."""
    done = stack.run("destroy", "--yes", "--skip-preview")
    assert done.ok, done.out
    assert stack.left() == {}
    done = stack.up()
    assert done.ok, done.out
    assert stack.serving() == {"1"}
