"""A service of which one version runs at a time, with the real engine, on every runtime: the new one takes the place of the old one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from bench.load import Ask, Load
from sluice.systems import docker
from tests.fixtures import image
from tests.fixtures.docker import Contained
from tests.fixtures.engine import Engine

pytestmark = [pytest.mark.engine, pytest.mark.embedded]
PROGRAM = Path(__file__).parent / "programs" / "single"
# A grace of three seconds, a start, and a busy machine.
LONGEST = 30.0


class Watch:
    """Asks all versions of the single service, again and again, and writes down who has answered when."""

    def __init__(self, stack: Engine) -> None:
        self.stack, self.answers, self.stopped = stack, list[tuple[float, str]](), threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.thread.join()

    def _look(self) -> None:
        while not self.stopped.wait(0.01):
            for url in addresses(self.stack):
                try:
                    self.answers.append((time.monotonic(), httpx.get(f"{url}/x", timeout=1).headers["x-version"]))
                except httpx.HTTPError:
                    continue

    def gap(self, old: str, new: str) -> float:
        """Return for how many seconds nobody answered between the last word of the old version and the first of the new one."""
        return self.first(new) - max(at for at, version in self.answers if version == old)

    def first(self, version: str) -> float:
        """Return when a version answered first."""
        return min(at for at, seen in self.answers if seen == version)


def addresses(stack: Engine) -> list[str]:
    """Return where versions of the single service are, those that do not run among them."""
    if isinstance(stack, Contained):
        labels = docker.listed(stack.full)
        return [f"http://127.0.0.1:{one['sluice.port']}" for name, one in labels.items() if name.startswith("letters@")]
    port = (stack.root / "run" / "ports.json").read_text().partition('"letters": ')[2].partition(",")[0].strip("}\n ")
    return [f"http://127.0.0.1:{port}"]


def process() -> Engine:
    return Engine(PROGRAM)


def contained() -> Engine:
    if why := image.missing():
        pytest.skip(why)
    return Contained(PROGRAM)


@pytest.fixture(scope="module", params=[process, contained])
def stack(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A stack on which version 1 is live; each test leaves the single service at that."""
    make: Callable[[], Engine] = request.param
    one = make()
    try:
        letters(one, "1")
        done = one.up()
        assert done.ok, done.out
        assert answering(one) == {"1"}
        yield one
    finally:
        one.close()


def letters(stack: Engine, version: str, **settings: str) -> None:
    """Configure a release that differs from the first one in the single service alone."""
    stack.configure("sluice:release", {"version": "1", "services": {"letters": {"version": version, "settings": settings}}})


def answering(stack: Engine) -> set[str]:
    """Return which versions of the single service answer now."""
    found = set()
    for url in addresses(stack):
        try:
            found.add(httpx.get(f"{url}/x", timeout=5).headers["x-version"])
        except httpx.HTTPError:
            continue
    return found


def load(stack: Engine) -> Load:
    return Load(stack.url, [Ask("GET", "/web/a")], rate=50)


def test_takes_the_place(stack: Engine):
    """The new version starts when the old one has ended, never beside it, and what needs it is not touched; there and back. Nobody answers
    in between: for as long as the old one takes to end, and the new one to start."""
    web = stack.program("web@")
    mark = running(stack, web)
    for old, new in (("1", "2"), ("2", "1")):
        letters(stack, new)
        with load(stack) as door, Watch(stack) as watch:
            done = stack.up()
        assert done.ok, done.out
        assert (door.tally.failed, answering(stack)) == (0, {new}), door.tally.text()
        assert {version for at, version in watch.answers if at >= watch.first(new)} == {new}
        gap = watch.gap(old, new)
        print(f"nobody answered for {gap:.2f} s between letters {old} and {new}")
        assert 0 < gap < LONGEST
        assert (stack.program("web@"), running(stack, web)) == (web, mark)
    assert stack.run("refresh", "--yes").ok
    done = stack.run("preview", "--expect-no-changes")
    assert done.ok, done.out
    assert answering(stack) == {"1"}


def test_one_that_does_not_start(stack: Engine):
    """When the new version does not become well, the old one runs again before the update has failed, in one line that says so."""
    old = answering(stack)
    letters(stack, "3", CRASH="no such queue")
    with load(stack) as door:
        done = stack.up()
    assert not done.ok
    (error,) = {line.partition("RuntimeFailed: ")[2] for line in done.errors if "RuntimeFailed: 'letters@3-" in line}
    assert "' did not start: it ended at start" in error
    assert "no such queue" in error
    assert "; 'letters@1-" in error
    assert error.rstrip().endswith("' runs again")
    assert (door.tally.failed, answering(stack), stack.live) == (0, old, "1")
    letters(stack, "1")
    done = stack.up()
    assert done.ok, done.out
    assert answering(stack) == old


def test_a_killed_update(stack: Engine):
    """An update that is killed while nobody runs leaves a turn that the next one takes; back it goes as ever, and never do two run."""
    letters(stack, "4")
    with stack.updating() as update:
        stack.wait(lambda: answering(stack) != {"1"}, 120)
        stack.kill(update)
    assert stack.cancel().ok
    for version in ("4", "1"):
        letters(stack, version)
        done = stack.up()
        assert done.ok, done.out
        assert answering(stack) == {version}


def test_repaired(stack: Engine):
    """The one whose turn it is is started again by a plain update; the others stay at rest."""
    end(stack, next(name for name in stack.programs() if name.startswith("letters@")))
    assert answering(stack) == set()
    done = stack.up()
    assert done.ok, done.out
    assert answering(stack) == {"1"}


def running(stack: Engine, name: str) -> object:
    """Return what tells one run of a version from the next."""
    if isinstance(stack, Contained):
        return docker.state(stack.called(name))
    return (stack.root / "run" / f"{name}.pid").read_text()


def end(stack: Engine, name: str) -> None:
    """Stop a version so that nothing else starts it."""
    if isinstance(stack, Contained):
        docker.stop(stack.called(name), 3)
    else:
        from sluice.runtimes.process.folder import Folder
        from sluice.runtimes.process.launch import rest

        rest(Folder(stack.root), name, 3)
