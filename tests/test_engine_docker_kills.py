"""Whatever dies in a release in containers: the next plain update brings it to its end, one version serves, and nothing is left over."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.fixtures import image
from tests.fixtures.docker import Contained, die
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
    [(3, Contained.begun), (4, lambda stack: stack.at(20)), (5, lambda stack: stack.at(100))],
    ids=["before the canary", "at the canary", "at 100 %"],
)
def test_deployer(stack: Contained, version: int, when: Callable[[Contained], bool]) -> None:
    """The CLI is killed with all its processes: nobody loses a request, the keeper takes back what is not proven, and an update ends it."""
    before = stack.live
    release(stack, version)
    with stack.load(rate=60) as load:
        with stack.updating() as update:
            stack.meet(update, when)
            stack.kill(update)
        stack.wait(stack.spared, HEARTBEAT + 30)
        assert stack.serving() == {before}
        assert stack.cancel().ok
        done = stack.up()
        assert done.ok, done.out
    print(f"\nthe deployer of {version}: {load.tally.text()}")
    assert load.tally.failed == 0, load.tally.reasons
    stack.whole(str(version))


@pytest.mark.parametrize(("version", "victim"), [(6, "new"), (7, "live"), (8, "grown-front")])
def test_container(stack: Contained, version: int, victim: str) -> None:
    """A container dies at the canary, the new version's, the live one's or the door's: the engine starts it again, and whatever
    has become of the update, the next one comes to its end."""
    before = stack.live
    victim = {"new": f"web@{version}-", "live": f"web@{before}-"}.get(victim, victim)
    release(stack, version)
    with stack.load(rate=60):
        with stack.updating() as update:
            stack.meet(update, lambda stack: stack.at(20))
            die(stack.called(stack.program(victim) if "@" in victim else victim))
            code = update.wait(timeout=400)
        print(f"\n{victim} dies at 20 %: the update ends with {code}")
        if code:
            stack.wait(stack.spared, HEARTBEAT + 30)
            assert stack.live == before
        done = stack.up()
        assert done.ok, done.out
    stack.whole(str(version))


def test_destroyed(stack: Contained) -> None:
    """After all of that nothing is left to do, and after a destroy nothing with the engine but images and the data."""
    again = stack.up("--expect-no-changes")
    assert again.ok, again.out
    done = stack.run("destroy", "--yes", "--skip-preview")
    assert done.ok, done.out
    assert stack.left() == {"volumes": [stack.called("grown-database-server-data")]}
