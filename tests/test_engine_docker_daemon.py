"""The Docker engine itself is killed in the middle of a release: once it is back, a plain update brings the release to its end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.fixtures.docker import Contained
from tests.fixtures.docker_daemon import INSIDE, Daemon, alone, lacking

pytestmark = [pytest.mark.engine, pytest.mark.embedded, pytest.mark.kills]
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
    assert "1 passed" in done.stdout


@pytest.fixture(scope="module")
def daemon() -> Daemon:
    one = Daemon(Path(os.environ[INSIDE]))
    one.start()
    one.load()
    return one


@pytest.fixture(scope="module")
def stack(daemon: Daemon) -> Iterator[Contained]:
    one = Contained()
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
def test_release(daemon: Daemon, stack: Contained) -> None:
    """The update fails, and says why; the engine comes back with its containers, nobody has unproven traffic, and `up` goes on."""
    before = stack.live
    stack.release("2")
    with stack.updating() as update:
        stack.meet(update, Contained.begun)
        daemon.kill()
        assert update.wait(timeout=180) != 0
    said = (stack.place / "up.log").read_text()
    assert any(word in said for word in LOST), said
    daemon.start()
    stack.wait(stack.spared, 60)
    assert stack.live == before
    stack.wait(lambda: served(stack) == {before}, 60)
    with stack.load(rate=60):
        done = stack.up()
    assert done.ok, done.out
    stack.whole("2")
