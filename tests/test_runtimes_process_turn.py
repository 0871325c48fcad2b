"""Which process of a single service runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from sluice.core.errors import RuntimeFailed
from sluice.runtimes.process.program import ProgramProvider
from sluice.runtimes.process.turn import TurnProvider
from sluice.systems import process

pytestmark = pytest.mark.embedded
ONE, TWO = "web@1.0-aaaa", "web@2.0-bbbb"


def laid(stack: Any, name: str, **changes: Any) -> dict[str, Any]:
    """Make a version ready to be started; return what its turn is told."""
    known = stack.run(name, single=True, version=name[4:7], **changes)["descriptor"]
    spec = {"root": str(stack.folder.root), "name": name, "service": "web", "health": "/health", "ready": 20, "grace": 5, "known": known}
    return {"spec": json.dumps(spec), "secrets": {}}


def runs(stack: Any, name: str) -> bool:
    return process.owner(stack.folder.pidfile(name)) is not None


def test_there_and_back(stack: Any):
    """Made ready, nobody runs; then one does, at the address that all versions have, and the other one does not."""
    first, second = laid(stack, ONE), laid(stack, TWO)
    urls = {json.loads(one["spec"])["known"]["url"] for one in (first, second)}
    assert (len(urls), runs(stack, ONE), runs(stack, TWO)) == (1, False, False)
    outs = dict(TurnProvider().create(first).outs or {})
    for to, name, version in ((second, TWO, "2.0"), (first, ONE, "1.0")):
        outs = dict(TurnProvider().update("web", outs, to).outs or {})
        assert httpx.get(f"{min(urls)}/x").headers["x-version"] == version
        assert [one for one in (ONE, TWO) if runs(stack, one)] == [name]
        assert not TurnProvider().diff("web", outs, to).changes


def test_not_well(stack: Any):
    """One that ends at its start leaves the old one running, and says so with its last words, without its secrets."""
    first = laid(stack, ONE)
    second = laid(stack, TWO, env={"CRASH": "no such queue hunter2"}, secrets={"TOKEN": "hunter2"}) | {"secrets": {"TOKEN": "hunter2"}}
    outs = dict(TurnProvider().create(first).outs or {})
    with pytest.raises(RuntimeFailed) as error:
        TurnProvider().update("web", outs, second)
    assert str(error.value).startswith(f"'{TWO}' did not start: it ended at start (supervisord says ")
    assert "no such queue ***" in str(error.value)
    assert str(error.value).endswith(f"; '{ONE}' runs again")
    assert (runs(stack, ONE), runs(stack, TWO)) == (True, False)


def test_died(stack: Any):
    """One that has died, and that supervisord does not know any more, is a difference, and is started again."""
    first = laid(stack, ONE)
    outs = dict(TurnProvider().create(first).outs or {})
    TurnProvider().rest(json.loads(first["spec"]), ONE)
    assert TurnProvider().diff("web", outs, first).changes
    TurnProvider().update("web", outs, first)
    assert runs(stack, ONE)


def test_at_rest(stack: Any):
    """A version at rest keeps what it is started by, its artifact too, and goes with its own resource."""
    first, second = laid(stack, ONE), laid(stack, TWO)
    TurnProvider().create(first)
    props = stack.program(TWO, single=True, version="2.0")
    outs = {**props, "descriptor": json.loads(second["spec"])["known"]}
    assert not ProgramProvider().diff(TWO, outs, props).changes
    ProgramProvider().delete(TWO, outs)
    assert (stack.folder.launcher(TWO).exists(), runs(stack, ONE)) == (False, True)
    assert [path.name for path in Path(stack.folder.root, "conf.d").iterdir()] == [f"{ONE}.ini"]
