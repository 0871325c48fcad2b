"""The Docker engine itself is killed in the middle of a release: once it is back, a plain update brings the release to its end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.fixtures.docker import Contained
from tests.fixtures.docker_daemon import INSIDE, Daemon, alone, lacking
from tests.fixtures.engine import QUICK

pytestmark = [pytest.mark.engine, pytest.mark.embedded, pytest.mark.kills]
SLOW = [{**rung, "soak": "5s"} for rung in QUICK["ladder"]]
HEARTBEAT = 4
# What the clients of an engine say of it, by whether it has died before a question or in its middle.
LOST = ("Cannot connect to the Docker daemon", "error during connect", "does not answer")
inside = pytest.mark.skipif(INSIDE not in os.environ, reason="is run by test_killed, beside an engine of its own")


def test_killed() -> None:
    """All that follows holds on an engine of its own."""
    if why := lacking():
        pytest.skip(why)
    done = alone(__file__, "-q", "-s", "-x", "-p", "no:cacheprovider", "--no-cov", "-k", "not test_killed", timeout=900)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


@pytest.fixture(scope="module")
def daemon() -> Daemon:
    one = Daemon(Path(os.environ[INSIDE]))
    one.start()
    one.load()
    return one


@pytest.fixture(scope="module")
def stack(daemon: Daemon) -> Iterator[Contained]:
    one = Contained()
    one.rollout(ladder=SLOW, heartbeat=f"{HEARTBEAT}s")
    one.release("1")
    first = one.up()
    assert first.ok, first.out
    yield one
    one.close()


def served(stack: Contained) -> set[str | None]:
    """Return who answers at the front door, nobody while it is not there yet."""
    try:
        return stack.serving(count=10)
    except httpx.HTTPError:
        return set()


@inside
@pytest.mark.parametrize(
    ("version", "when"), [("2", Contained.begun), ("3", lambda stack: stack.at(10))], ids=["before the canary", "at the canary"]
)
def test_release(daemon: Daemon, stack: Contained, version: str, when: Callable[[Contained], bool]) -> None:
    """The update fails, and says why; the engine comes back with its containers, nobody has unproven traffic, and `up` goes on."""
    before = stack.live
    stack.rollout(heartbeat=f"{HEARTBEAT}s")
    stack.release(version)
    with stack.updating() as update:
        stack.meet(update, when)
        daemon.kill()
        assert update.wait(timeout=180) != 0
    said = (stack.place / "up.log").read_text()
    assert any(word in said for word in LOST), said
    daemon.start()
    stack.wait(stack.spared, HEARTBEAT + 60)
    assert stack.live == before
    stack.wait(lambda: served(stack) == {before}, 60)
    # The next one has nobody to be taken back from, and all the time that a busy machine needs.
    stack.rollout(heartbeat="30s")
    with stack.load(rate=60):
        done = stack.up()
    assert done.ok, done.out
    stack.whole(version)


@inside
def test_destroyed(stack: Contained) -> None:
    """After that nothing is left to do, and after a destroy nothing with the engine but images."""
    again = stack.up("--expect-no-changes")
    assert again.ok, again.out
    done = stack.run("destroy", "--yes", "--skip-preview")
    assert done.ok, done.out
    assert stack.left() == {}
