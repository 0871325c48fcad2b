"""A stack's containers, judged by what their engine says of them."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.core.diagnosis import docker
from sluice.core.diagnosis.docker import Container
from sluice.core.diagnosis.finding import Finding

NOW = 100_000.0
AGAIN = "pulumi refresh --yes && pulumi up"


def said(found: list[Finding]) -> list[tuple[str, str]]:
    return [(one.state.value, one.line) for one in found]


def judged(*, declared: bool = True, serves: bool = True, busy: bool = False, **changes: Any) -> tuple[str, str]:
    given = {"name": "web@1", "called": "shop-web-1", "status": "running", "since": NOW - 3600, **changes}
    found = docker.container(Container(**given), declared=declared, serves=serves, busy=busy, now=NOW)
    return found.state.value, found.line.removeprefix("container of web@1: ")


LOG = "docker logs --tail 50 shop-web-1"
ONCE = ", expected running, started once"


@pytest.mark.parametrize(
    ("changes", "state", "line"),
    [
        ({}, "ok", "runs for 1h"),
        ({"health": "healthy"}, "ok", "runs for 1h, healthy"),
        (
            {"health": "unhealthy"},
            "problem",
            f"unhealthy{ONCE}: its image's own check says so; run: docker inspect --format '{{{{json .State.Health}}}}' shop-web-1",
        ),
        (
            {"restarts": 3},
            "warning",
            f"started again 3 times, runs for 1h{ONCE}: its program has ended by itself, or was ended; run: {LOG}",
        ),
        (
            {"restarts": 1, "oom": True, "limit": 2**27},
            "warning",
            f"started again once, runs for 1h{ONCE}: it took more than its limit of 128 MiB; run: {LOG}",
        ),
        (
            {"status": "restarting", "exit": 1, "restarts": 1},
            "problem",
            f"restarting, exit code 1{ONCE}: it ends at start: the engine has started it once again; run: {LOG}",
        ),
        (
            {"status": "exited", "exit": 137, "oom": True, "limit": 2**27},
            "problem",
            f"exited, ended by the kernel 1h ago{ONCE}: it took more than its limit of 128 MiB; run: {LOG}",
        ),
        (
            {"status": "exited", "exit": 137, "oom": True},
            "problem",
            f"exited, ended by the kernel 1h ago{ONCE}: it took more than all memory that the machine had; run: {LOG}",
        ),
        (
            {"status": "exited", "exit": 143},
            "problem",
            f"exited 1h ago, exit code 143{ONCE}: it was stopped by hand: what ends by itself is started again; run: pulumi up",
        ),
        ({"status": "exited", "exit": 2}, "problem", f"exited 1h ago, exit code 2{ONCE}: its program has failed; run: {LOG}"),
        ({"status": "paused"}, "problem", f"paused{ONCE}: somebody has run `docker pause`; run: docker unpause shop-web-1"),
    ],
)
def test_container(changes: dict[str, Any], state: str, line: str):
    """How a container is, why, and what to type; one that has started again is looked at, one that serves and does not run is a problem."""
    assert judged(**changes) == (state, line)


def test_one_that_serves_nobody():
    """A version without traffic that does not run is a warning."""
    assert judged(status="exited", exit=2, serves=False)[0] == judged(health="unhealthy", serves=False)[0] == "warning"


def test_left_over():
    """What state does not have was left by a killed update, unless one is at work."""
    told = "left over, running, expected not there: the update that made it was killed before state had it"
    assert judged(declared=False) == ("warning", f"{told}; run: docker rm --force shop-web-1")
    assert judged(declared=False, busy=True) == ("ok", "runs for 1h")


def test_absent():
    """What state has and the engine has not was removed by somebody; with a volume, its data."""
    told = f"container 'shop-web-1': not there, expected as state has it: somebody has removed it; run: {AGAIN}"
    assert said(docker.absent("container", ["shop-web-1", "shop-front"], ["shop-front"])) == [("problem", told)]
    lost = f"volume 'shop-data': not there, expected as state has it: somebody has removed it, with all that was in it; run: {AGAIN}"
    assert said(docker.absent("volume", ["shop-data"], [], kept=True)) == [("problem", lost)]
    assert docker.absent("volume", ["shop-data"], ["shop-data", "other"]) == []


def test_twice():
    """A port that two containers were given, of whatever stacks, is a problem: one of them does not start."""
    why = "two updates have chosen it at the same moment: whoever starts second does not start"
    told = f"port 20001: given to a-web and b-web, expected one container: {why}; run: docker rm --force b-web"
    assert said(docker.twice({"b-web": 20001, "a-web": 20001, "c-web": 20002})) == [("problem", told)]
    assert docker.twice({"a-web": 20001}) == []


def test_images():
    """Images of proven releases, and of what config names, are needed; others take room, and are named."""
    there = {"sluice/shop-web:aaaaaaaaaaaa": 2**28, "sluice/shop-web:bbbbbbbbbbbb": 2**28, "sluice/shop-api:cccccccccccc": 2**20}
    assert said(docker.images(there, ["aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"])) == [
        ("ok", "images: 3 built here, each of a release that may be gone back to")
    ]
    cause = "images stay when their release has failed or is forgotten, since going back must need no registry"
    told = f"images: 2 of 3 are of no proven release, at most 257 MiB, expected none: {cause}"
    next = "docker image rm sluice/shop-api:cccccccccccc sluice/shop-web:bbbbbbbbbbbb"
    assert said(docker.images(there, ["aaaaaaaaaaaa"])) == [("warning", f"{told}; run: {next}")]
    assert docker.images({}, []) == []


@pytest.mark.parametrize("status", ["created", "exited"])
def test_at_rest(status: str):
    """A version of a single service that waits for its turn is as it should be; the one whose turn it is must run."""
    one = Container(name="dlq@1", called="shop-dlq-1", status=status, since=NOW - 60, single="dlq")
    found = docker.container(one, declared=True, serves=True, busy=False, now=NOW, rests=True)
    assert (found.state.value, found.line) == ("ok", "container of dlq@1: at rest: another version of 'dlq' has its turn")
    turn = docker.container(one, declared=True, serves=True, busy=False, now=NOW)
    assert turn.state.value == "problem"
