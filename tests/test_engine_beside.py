"""Two stacks of one program under one SLUICE_HOME: each has its own of everything."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.fixtures.engine import Engine
from tests.fixtures.matrix import OFF
from tests.test_engine_doctor import findings

pytestmark = pytest.mark.engine


@pytest.fixture
def both() -> Iterator[tuple[Engine, Engine]]:
    """Return two stacks that have nothing but their names to tell them apart; neither was ever deployed."""
    one = Engine(stack="a-b")
    two = Engine(stack="b", beside=one)
    two.home, two.env["SLUICE_HOME"] = one.home, one.env["SLUICE_HOME"]
    for version, engine in (("1.0", one), ("2.0", two)):
        engine.rollout(ladder=[100], soak="300ms", samples=0, checks=OFF)
        engine.release(version)
    yield one, two
    two.close()
    one.close()


def test_beside(both: tuple[Engine, Engine]):
    """Both come up at once, and doctor has nothing against either; when one is destroyed, the other loses no request and no file."""
    one, two = both
    with ThreadPoolExecutor(2) as pool:
        assert [done.ok for done in pool.map(Engine.up, both)] == [True, True]
    assert (one.serving(), two.serving()) == ({"1.0"}, {"2.0"})
    for engine in both:
        mine = [found for found in findings(engine, code=0) if found["what"] in ("ports", "processes", "supervisord", "envoy", "keeper")]
        assert [found["state"] for found in mine] == ["ok"] * 5, mine
    with one.load() as load:
        gone = two.run("destroy", "--yes", "--skip-preview")
        assert gone.ok, gone.out
        tally = load.stop()
    assert (tally.failed, one.serving()) == (0, {"1.0"})
    assert one.up("--expect-no-changes").ok
    of_one_name(one, two)


def of_one_name(one: Engine, other: Engine) -> None:
    """A stack whose folder would have the name of another one's is refused by preview, before anything is touched."""
    project = other.folder / "Pulumi.yaml"
    project.write_text(project.read_text().replace("name: toy\n", "name: toy-a\n"))
    assert other.root == one.root
    assert other.run("stack", "init", "b").ok
    refused = other.preview()
    assert f"'{one.root}' belongs to the stack 'toy/a-b', and not to 'toy-a/b': give one of them a SLUICE_HOME of its own" in refused.out
    assert not refused.ok
