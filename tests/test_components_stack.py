"""A stack's program: settings first, then what is live, then what is declared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pulumi
import pytest
from pulumi.runtime import config

from sluice.components import Stack, program
from sluice.components.stack import CONTRACT, OUTPUTS
from sluice.core.record import Record
from tests.fixtures.mock import World

RECORD = Record.model_validate({"id": "r1", "version": "1", "kind": "minor", "services": {}, "at": datetime(2025, 11, 27, tzinfo=UTC)})
OTHER = RECORD.model_copy(update={"id": "r9"})
OWN, STAGING = "organization/shop/production", "organization/shop/staging"


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    found: dict[str, Any] = {}
    monkeypatch.setattr(pulumi, "export", lambda name, value: pulumi.Output.from_input(value).apply(lambda known: found.update({name: known})))
    return found


def configure(monkeypatch: pytest.MonkeyPatch, release: Any, rollout: Any = None) -> None:
    keys = {"sluice:release": release, "sluice:rollout": rollout}
    monkeypatch.setattr(config, "CONFIG", {key: json.dumps(value) for key, value in keys.items() if value is not None})


class Program:
    """Declares nothing, and remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[Stack] = []

    def __call__(self, stack: Stack) -> Mapping[str, Any]:
        self.given.append(stack)
        return {name: f"the {name}" for name in OUTPUTS}


def test_a_stack_that_never_ran(world: World, exported: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    """Without outputs of its own nothing is live, and without a requirement no other stack is asked."""
    configure(monkeypatch, {"version": "2"})
    declare = Program()
    world.run(lambda: program(declare, services={"web"}))
    (stack,) = declare.given
    assert (stack.proven, stack.required, stack.settings.release.version) == ([], None, "2")
    assert datetime.now(UTC) - stack.now < timedelta(minutes=1)
    assert world.names == [OWN]


def test_what_is_live(world: World, exported: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    """What is proven comes from the stack's own last outputs, and what is required from the other's, each in its place."""
    configure(monkeypatch, {"version": "2"}, {"requires": {"stack": STAGING}})
    world.stacks = {OWN: {"proven": [RECORD.wire()]}, STAGING: {"proven": [OTHER.wire(), RECORD.wire()]}}
    declare = Program()
    world.run(lambda: program(declare, services={"web"}))
    (stack,) = declare.given
    assert (stack.proven, stack.required) == ([RECORD], [OTHER, RECORD])
    assert sorted(world.names) == [OWN, STAGING]


def test_a_required_stack_that_never_ran(world: World, exported: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    """A required stack without outputs has proven nothing: that is not the same as requiring nothing."""
    configure(monkeypatch, {"version": "2"}, {"requires": {"stack": STAGING}})
    declare = Program()
    world.run(lambda: program(declare, services={"web"}))
    assert declare.given[0].required == []


def test_contract(world: World, exported: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    """The outputs that others may rely on are all there, under a numbered contract."""
    configure(monkeypatch, {"version": "2"})
    world.run(lambda: program(Program(), services={"web"}))
    assert exported == {"contract": CONTRACT, **{name: f"the {name}" for name in OUTPUTS}}
    assert {"contract", *OUTPUTS} == {"contract", "url", "endpoints", "live", "proven", "flags", "databases"}


def test_wrong_settings(world: World, exported: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    """All that is wrong is one error without a traceback, before any resource is asked for."""
    configure(monkeypatch, {"version": "2", "services": {"wbe": {}}, "flavour": "x"}, {"ladder": [50, 10], "soak": "soon"})
    declare = Program()
    with pytest.raises(pulumi.RunError) as caught:
        world.run(lambda: program(declare, services={"web"}))
    assert str(caught.value) == (
        "WHOLE"
    )
    assert (world.asked, declare.given, exported) == ([], [], {})


def test_no_settings(world: World, exported: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    """A stack without config is told what to set."""
    configure(monkeypatch, None)
    with pytest.raises(pulumi.RunError) as caught:
        world.run(lambda: program(Program(), services={"web"}))
    assert str(caught.value) == "sluice:release.version: is missing; run: pulumi config set --path sluice:release.version VERSION"
    assert world.asked == []
