"""The keeper as a program of a real supervisord, beside a real Envoy."""

from __future__ import annotations

import time
from typing import Any

import pytest

from sluice.core.lease import Hold, Lease
from sluice.core.split import Route
from sluice.runtimes.process import keeper
from sluice.runtimes.process.proxy import ProxyProvider
from sluice.systems import process, splits
from sluice.systems.keeper import file
from tests.fixtures.front import wait
from tests.fixtures.stack import Stack

pytestmark = pytest.mark.embedded
NAME = "web@1.0-aaaa"
ROUTE = Route(service="web", prefix="/", canary=NAME)


def props(stack: Stack) -> dict[str, Any]:
    return {"name": "front", "root": str(stack.folder.root)}


def hold(stack: Stack, split: dict[str, Any]) -> splits.Split:
    """Have the version held at 10 %, with nothing to ask but whether the splitter answers."""
    stack.run(NAME, front=split)
    version = {"service": "web", "version": "1.0", "name": NAME, "url": "http://127.0.0.1:1"}
    rollout = {
        "release": "r1",
        "ladder": {"steps": [{"weight": 10}]},
        "routes": [ROUTE.wire()],
        "pairs": [{"canary": version}],
        "poll": 0.1,
    }
    there, now = splits.open(split), time.time()
    until = Hold(weight=10, since=now, until=now + 3600)
    there.take("r1", [ROUTE], lease=Lease(release="r1", owner=there.owner, rollout=rollout, heartbeat=10, hold=until))
    assert there.confirm(there.set(10), 5)
    wait(lambda: there.kept(time.time(), there.owner))
    return there


def test_beside_the_door(stack: Stack):
    """With the door comes the keeper, which says at once that it is at work; a look sees both, and changes nothing."""
    outs = stack.front()
    assert keeper.runs(stack.folder)
    assert splits.open(outs["split"]).kept(time.time())
    assert not ProxyProvider().diff("front", outs, props(stack)).changes


def test_killed(stack: Stack):
    """supervisord starts a killed keeper again, which goes on with the plan that it finds: the weight stays, and is judged."""
    split = stack.front()["split"]
    there = hold(stack, split)
    before = stack.pid("keeper")
    stack.kill("keeper")
    wait(lambda: process.owner(stack.folder.pidfile("keeper")) not in (None, before))
    file.say(split["folder"], {"judges": "", "ended": None})
    wait(lambda: there.kept(time.time(), there.owner))
    assert there.get().weight == 10


def test_dead(stack: Stack):
    """A keeper that does not run is a change of the door; mending it leaves the proxy as it is."""
    outs, envoy = stack.front(), stack.pid("front")
    keeper.stop(stack.folder)
    assert ProxyProvider().diff("front", outs, props(stack)).changes
    assert ProxyProvider().update("front", outs, props(stack)).outs == outs
    assert (keeper.runs(stack.folder), stack.pid("front")) == (True, envoy)


def test_another_format(stack: Stack, monkeypatch: pytest.MonkeyPatch):
    """A keeper that another Sluice has started, and that may not read what it is told, is started anew; the proxy runs on."""
    outs, before, envoy = stack.front(), stack.pid("keeper"), stack.pid("front")
    word = file.word(stack.folder.front)
    (stack.folder.front / "keeper.json").write_text('{"format": 0, "judges": "", "ended": null}')
    assert word["format"] == file.FORMAT
    assert ProxyProvider().diff("front", outs, props(stack)).changes
    ProxyProvider().update("front", outs, props(stack))
    assert stack.pid("keeper") != before
    assert stack.pid("front") == envoy
    wait(lambda: file.word(stack.folder.front)["format"] == file.FORMAT)


def test_stopped(stack: Stack):
    """A door that goes takes its keeper with it, and what that held goes back first."""
    outs = stack.front()
    there = hold(stack, outs["split"])
    keeper.stop(stack.folder)
    assert there.get().weight == 0
    ProxyProvider().delete("front", outs)
    assert not keeper.runs(stack.folder)
