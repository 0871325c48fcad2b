"""Which container of a single service runs, on a real engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from secrets import token_hex
from typing import Any

import pytest

from sluice.core.commands import docker as say
from sluice.core.errors import RuntimeFailed
from sluice.runtimes.docker.turn import TurnProvider
from sluice.systems import docker
from tests.fixtures import image
from tests.fixtures.docker import engine
from tests.fixtures.stack import tracebacks

__all__ = ["engine", "tracebacks"]
pytestmark = pytest.mark.embedded
Make = Callable[..., dict[str, Any]]


@pytest.fixture
def make(engine: None) -> Iterator[Make]:
    """Create a version's container, which does not run; return what its turn is told. All go with the test."""
    stack, made = f"sluice-test-{token_hex(4)}", list[str]()

    def one(name: str, line: str = "sleep 1000", *, service: str = "dlq", **more: Any) -> dict[str, Any]:
        container = say.contained(stack, name)
        labels = {say.STACK: stack, say.NAME: name, say.SINGLE: service}
        words = [word for label, value in labels.items() for word in ("--label", f"{label}={value}")]
        docker.ask(["create", "--init", "--name", container, *words, image.sluice(), "sh", "-c", line])
        made.append(container)
        spec = {"name": name, "service": "dlq", "stack": stack, "container": container, "port": 0, "health": "", "ask": []}
        spec |= {"known": {"name": name}, "ready": 10, "grace": 1, **more}
        return {"spec": json.dumps(spec), "identity": name, "secrets": {}}

    yield one
    for container in made:
        docker.remove(container)


def runs(props: dict[str, Any]) -> bool:
    state = docker.state(json.loads(props["spec"])["container"])
    assert state
    return state.runs


def test_there_and_back(make: Make):
    """The new one runs, and the old one does not; back it goes in the same way. Another service's version is nobody's concern."""
    first, second, other = make("dlq@1"), make("dlq@2"), make("mail@1", service="mail")
    docker.start(json.loads(other["spec"])["container"])
    made = TurnProvider().create(first)
    assert (made.outs or {})["descriptor"] == {"name": "dlq@1"}
    outs = dict(made.outs or {})
    for to, resting in ((second, first), (first, second)):
        outs = dict(TurnProvider().update("dlq", outs, to).outs or {})
        assert (runs(to), runs(resting), runs(other)) == (True, False, True)
        assert not TurnProvider().diff("dlq", outs, to).changes


def test_not_well(make: Make):
    """One that ends at its start leaves the old one running, and says so with its last words."""
    first, second = make("dlq@1"), make("dlq@2", "echo no such queue; exit 7")
    outs = dict(TurnProvider().create(first).outs or {})
    with pytest.raises(RuntimeFailed) as error:
        TurnProvider().update("dlq", outs, second)
    assert str(error.value).startswith("'dlq@2' did not start: it ended at start (exit code 7); its last log lines: no such queue;")
    assert str(error.value).endswith("; 'dlq@1' runs again")
    assert (runs(first), runs(second)) == (True, False)


def test_gone(make: Make):
    """Nobody is ended for a container that somebody has removed."""
    first, second = make("dlq@1"), make("dlq@2")
    outs = dict(TurnProvider().create(first).outs or {})
    docker.remove(json.loads(second["spec"])["container"])
    with pytest.raises(RuntimeFailed, match="is gone, and was not removed by Pulumi"):
        TurnProvider().update("dlq", outs, second)
    assert runs(first)


def test_died(make: Make):
    """One that has died is a difference, and is started again."""
    first = make("dlq@1")
    outs = dict(TurnProvider().create(first).outs or {})
    docker.stop(json.loads(first["spec"])["container"], 1)
    assert TurnProvider().diff("dlq", outs, first).changes
    TurnProvider().update("dlq", outs, first)
    assert runs(first)
