"""A release that is held on its way on a real Docker engine: the keeper in the front's container judges it, and nobody else does."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.load import Ask, Load
from sluice.systems import docker, splits
from tests.fixtures import image
from tests.fixtures.docker import SPLIT, Contained
from tests.fixtures.sluice import sluice, told

pytestmark = [pytest.mark.engine, pytest.mark.embedded]
PROGRAM = Path(__file__).parent / "programs" / "held"
# In the version's container, where it looks for a file that makes it fail.
FAULT = "/tmp/fault"


@pytest.fixture(scope="module")
def stack() -> Iterator[Contained]:
    """A stack on which version 1 is live; each test leaves it so."""
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


def load(stack: Contained) -> Load:
    return Load(stack.url, [Ask("GET", "/web/a"), Ask("POST", "/web/b", "{}")], rate=60)


def split(stack: Contained) -> splits.Split:
    return splits.open(through(stack))


def through(stack: Contained) -> dict[str, object]:
    return {**SPLIT, "through": ["docker", "exec", "-i", stack.called("toy-front")]}


def judged(stack: Contained) -> bool:
    return split(stack).kept(time.time(), stack.share.owner)


def ended(stack: Contained) -> str:
    """Return why the keeper took traffic back last."""
    found = splits.word(through(stack)).get("ended")
    return str(found["why"]) if found else ""


def given_held(stack: Contained, version: str, **rollout: object) -> None:
    """Have a version held at 25 %, which fails as soon as there is a fault."""
    stack.rollout(until=25, **{"hold": "1h", "patience": "60s", **rollout})
    stack.release(version, web={"FAIL_FILE": FAULT})
    with load(stack):
        done = stack.up()
    assert done.ok, done.out
    assert (stack.at(25), stack.live) == (True, "1")


def back(stack: Contained) -> None:
    stack.rollout(until=100)
    stack.release("1")
    done = stack.up()
    assert done.ok, done.out
    assert stack.serving() == {"1"}


def test_a_version_goes_bad_while_held(stack: Contained):
    """With no update at work the keeper sees it by the canary's own judge, takes its traffic back, and nobody else's request fails; the
    report has its verdict."""
    given_held(stack, "2")
    stack.wait(lambda: judged(stack), 30)
    with load(stack) as running:
        docker.ask(["exec", stack.called(stack.program("web@2-")), "sh", "-c", f": > {FAULT}"])
        stack.wait(lambda: stack.share.weight == 0, 60)
        assert stack.serving() == {"1"}
    assert running.tally.failed == 0
    stack.wait(lambda: "failed at 25 %: web: error rate" in ended(stack), 10)
    report = sluice(stack, "report", "2", "--markdown").out
    assert re.search(r"\n2-\w+ failed at 'canary', and all traffic was back on what was live at [\d:]+\.\n", report), report
    assert re.search(r"\n\| web: error rate \|.*\| failed \|\n", report), report
    back(stack)


def test_databases_are_watched_while_held(stack: Contained):
    """The keeper asks the database by its name on the stack's network: what a held version leaves there takes its traffic back."""
    given_held(stack, "3")
    with load(stack):
        stack.wait(lambda: judged(stack), 30)
        stack.sql("shop", "create table odd ()")
        stack.wait(lambda: "odd tables 1 != 0" in ended(stack), 60)
    assert (stack.share.weight, stack.serving()) == (0, {"1"})
    stack.sql("shop", "drop table odd")
    back(stack)


def test_a_hold_ends(stack: Contained):
    """A hold that is over takes the traffic back with nothing run, and no request fails; status says why."""
    given_held(stack, "4", hold="20s")
    with load(stack) as running:
        stack.wait(lambda: stack.share.weight == 0, 60)
        stack.wait(lambda: ended(stack) != "", 10)
        assert (stack.serving(), stack.live) == ({"1"}, "1")
    assert running.tally.failed == 0
    assert "failed at 25 %: the hold of 20s at 25 % is over; weight 0, " in ended(stack)
    assert "the hold of 20s at 25 % is over" in sluice(stack, "status").out
    back(stack)


def test_held_and_promoted(stack: Contained):
    """Preview says who holds it and what of its checks cannot be asked then; promoted, the release is proven, without a failed request."""
    stack.rollout(until=25, hold="1h", patience="60s")
    stack.release("5")
    preview = stack.preview().out
    assert "  then: held at 25 %, unproven and judged, for at most 1h; `sluice promote` goes on" in preview
    cannot = (
        r"while 5-\w+ is held at 25 %, its keeper cannot ask: web: memory, its log; they are judged by this update alone, until it ends"
    )
    assert re.search(cannot, preview), preview
    with load(stack) as running:
        done = stack.up()
        assert done.ok, done.out
        assert (stack.at(25), stack.live, judged(stack)) == (True, "1", True)
        status = told(stack, "status")
        assert (status["held"]["weight"], status["watched"]["by"], status["watched"]["keeper"]) == (25, "keeper", True)
        promoted = sluice(stack, "promote", "--yes")
        assert promoted.ok, promoted.out
    assert (stack.live, stack.serving(), stack.outputs()["held"], running.tally.failed) == ("5", {"5"}, {}, 0)
    back(stack)
