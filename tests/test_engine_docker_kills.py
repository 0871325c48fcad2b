"""Whoever deploys dies in a release in containers: the next plain update brings it to its end, and one version serves."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.fixtures import image
from tests.fixtures.docker import Contained
from tests.fixtures.engine import PROGRAM

pytestmark = [pytest.mark.engine, pytest.mark.embedded, pytest.mark.kills]
# A canary that lasts long enough to be met.
SLOW = [{"weight": weight, "soak": "5s", "samples": 10} for weight in (20, 100)]
HEARTBEAT = 4


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Contained]:
    """A stack with two services and a database, live as version 2; each test leaves it whole, with another version."""
    if why := image.missing():
        pytest.skip(why)
    one = Contained(PROGRAM.parent / "grown")
    try:
        one.env["OFFSITE"] = str(tmp_path_factory.mktemp("offsite"))
        one.rollout(ladder=SLOW, heartbeat=f"{HEARTBEAT}s")
        release(one, 2)
        first = one.up()
        assert first.ok, first.out
        yield one
    finally:
        one.close()


def release(engine: Contained, version: int) -> None:
    engine.configure("sluice:release", {"version": str(version), "schema": {"shop": "0001"}})


@pytest.mark.parametrize(
    ("version", "when"),
    [(3, Contained.begun), (4, lambda stack: stack.at(20))],
    ids=["before the canary", "at the canary"],
)
def test_deployer(stack: Contained, version: int, when: Callable[[Contained], bool]) -> None:
    """The CLI is killed with all its processes: nobody loses a request, the keeper takes back what is not proven, and an update ends it."""
    release(stack, version)
    with stack.load(rate=60) as load:
        with stack.updating() as update:
            stack.meet(update, when)
            stack.kill(update)
        stack.wait(stack.spared, HEARTBEAT + 30)
        assert stack.serving() == {str(version - 1)}
        assert stack.cancel().ok
        done = stack.up()
        assert done.ok, done.out
    print(f"\nthe deployer of {version}: {load.tally.text()}")
    assert load.tally.failed == 0, load.tally.reasons
    stack.whole(str(version))
