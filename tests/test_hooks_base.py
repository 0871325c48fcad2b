"""What every hook shares: when it runs, and how it fails."""

from __future__ import annotations

from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN

from sluice.core.errors import GateFailed
from sluice.hooks.base import Hook, due, unknown


class Step(Hook):
    """A hook to try: it does what it is told."""

    def run(self, props: dict[str, Any]) -> dict[str, Any]:
        """Fail, or say what came of it."""
        if props.get("fail"):
            raise GateFailed(props["fail"])
        return {"came": props["release"]}


class Echoing(Step):
    """A hook that wants an input back when it is deleted."""

    echoed = ("kept",)


@pytest.mark.parametrize(
    ("olds", "news", "runs"),
    [
        ({"release": "r1", "settled": True}, {"release": "r1", "settled": True}, False),
        ({"release": "r1", "settled": False}, {"release": "r1", "settled": True}, False),
        ({"release": "r1", "settled": True}, {"release": "r1", "settled": False}, True),
        ({"release": "r1", "settled": True, "a": 1}, {"release": "r1", "settled": True, "a": 2}, False),
        ({"release": "r1", "settled": False}, {"release": "r1", "settled": False}, True),
        ({"release": "r1"}, {"release": "r1"}, False),
        ({"release": "r1"}, {"release": "r2"}, True),
        ({}, {"release": "r1", "settled": None}, True),
    ],
)
def test_due(olds: dict[str, Any], news: dict[str, Any], runs: bool):
    """A step runs as long as its release is unsettled, whatever else changed; on its own, when the release is another."""
    assert due(olds, news) is runs
    assert Step().diff("r1", olds, news).changes is runs


def test_outputs():
    """A step's outputs are its release, what it echoes, and its own; its id is the first release it ran for."""
    props = {"release": "r1", "settled": False, "much": "to carry", "kept": 1}
    created = Step().create(props)
    assert (created.id, created.outs) == ("r1", {"release": "r1", "came": "r1"})
    assert Echoing().create(props).outs == {"release": "r1", "kept": 1, "came": "r1"}
    assert Step().update("r1", created.outs, {"release": "r2"}).outs == {"release": "r2", "came": "r2"}


class Told(Hook):
    """A hook that says how it was called."""

    def run(self, props: dict[str, Any]) -> dict[str, Any]:
        """Return what it was told of being settled."""
        return {"settled": props.get("settled")}


def test_held():
    """A step of a release that is held on the way is not taken: by default it comes to what it is of a settled one. Held nowhere, it is."""
    held = {"release": "r1", "weight": 10}
    assert Told().create({"release": "r1", "settled": False, "held": held}).outs == {"release": "r1", "settled": True}
    assert Told().create({"release": "r1", "settled": False, "held": {}}).outs == {"release": "r1", "settled": False}


@pytest.mark.parametrize("call", [lambda step, props: step.create(props), lambda step, props: step.update("r1", {}, props)])
def test_failure(call: Any):
    """A failure is the same one line from both calls, of its own kind, with who is next."""
    props = {"release": "r1", "fail": "web is slow", "contacts": [{"name": "Ada", "role": "on-call", "address": "ada@example.org"}]}
    with pytest.raises(GateFailed) as caught:
        call(Step(), props)
    assert str(caught.value).startswith("web is slow; next: ")
    assert "Ada" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_hook_without_a_run():
    """A hook that defines no step is a bug, and says whose."""
    with pytest.raises(TypeError, match=r"^Hook defines no run$"):
        Hook().run({})


@pytest.mark.parametrize(
    ("value", "whether"), [(UNKNOWN, True), ({"a": [UNKNOWN]}, True), ({"a": f"http://{UNKNOWN}"}, True), ({"a": 1}, False), (None, False)]
)
def test_unknown(value: Any, whether: bool):
    """An input is unknown when anything in it is."""
    assert unknown(value) is whether
