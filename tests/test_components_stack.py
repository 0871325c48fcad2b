"""A stack's program: settings first, then what is live, then what is declared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pulumi
import pytest
from pulumi.runtime import config

from sluice.components import Producer, Stack, program
from sluice.core.contract import NAMES, terms
from sluice.core.record import Record
from sluice.core.settings import Place
from tests.fixtures.engine import Engine
from tests.fixtures.mock import World

RECORD = Record.model_validate({"id": "r1", "version": "1", "kind": "minor", "services": {}, "at": datetime(2025, 11, 27, tzinfo=UTC)})
OTHER = RECORD.model_copy(update={"id": "r9"})
OWN, STAGING = "organization/shop/production", "organization/shop/staging"


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    found: dict[str, Any] = {}
    monkeypatch.setattr(
        pulumi, "export", lambda name, value: pulumi.Output.from_input(value).apply(lambda known: found.update({name: known}))
    )
    return found


@pytest.fixture(autouse=True)
def unset() -> Iterator[None]:
    yield
    config.set_all_config({})


def configure(release: Any, rollout: Any = None) -> None:
    keys = {"sluice:release": release, "sluice:rollout": rollout}
    config.set_all_config({key: json.dumps(value) for key, value in keys.items() if value is not None})


class Program:
    """Declares nothing, and remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[Stack] = []

    def __call__(self, stack: Stack) -> Mapping[str, Any]:
        self.given.append(stack)
        return {name: f"the {name}" for name in NAMES}


def test_a_stack_that_never_ran(world: World, exported: dict[str, Any]):
    """Without outputs of its own nothing is live, and without a requirement no other stack is asked."""
    configure({"version": "2"})
    declare = Program()
    world.run(lambda: program(declare, services={"web"}))
    (stack,) = declare.given
    assert (stack.proven, stack.required, stack.settings.release.version) == ([], None, "2")
    assert datetime.now(UTC) - stack.now < timedelta(minutes=1)
    assert world.read == [OWN]


def test_what_is_live(world: World, exported: dict[str, Any]):
    """What is proven and passed comes from the stack's own last outputs, and what is required from the other's, each in its place."""
    configure({"version": "2"}, {"requires": {"stack": STAGING}})
    world.stacks = {OWN: {"proven": [RECORD.text], "marks": {"release": "r"}}, STAGING: {"proven": [OTHER.text, RECORD.text], "marks": {}}}
    declare = Program()
    world.run(lambda: program(declare, services={"web"}))
    (stack,) = declare.given
    assert stack.marks == {"release": "r"}
    assert (stack.proven, stack.required) == ([RECORD], [OTHER, RECORD])
    assert sorted(world.read) == [OWN, STAGING]


def test_what_is_no_record(world: World, exported: dict[str, Any]):
    """What a newer Sluice, or another program, calls proven ends the program in one sentence; terms of another program are none."""
    configure({"version": "2"})
    world.stacks = {OWN: {"proven": ['release {"sooner": true}']}}
    with pytest.raises(pulumi.RunError, match=r"^a line of the output `proven` is no record that this Sluice can read: update it"):
        world.run(lambda: program(Program(), services={"web"}))
    world.stacks = {OWN: {"terms": "net 30 days"}}
    declare = Program()
    world.run(lambda: program(declare, services={"web"}))
    assert declare.given[0].promised is None


def test_a_required_stack_that_never_ran(world: World, exported: dict[str, Any]):
    """A required stack without outputs has proven nothing: that is not the same as requiring nothing."""
    configure({"version": "2"}, {"requires": {"stack": STAGING}})
    declare = Program()
    world.run(lambda: program(declare, services={"web"}))
    assert declare.given[0].required == []


def test_contract(world: World, exported: dict[str, Any]):
    """The outputs that others may rely on are all there, under a numbered contract."""
    configure({"version": "2"})
    world.run(lambda: program(Program(), services={"web"}))
    assert exported == {name: f"the {name}" for name in NAMES}
    assert set(NAMES) == {"contract", "terms", "url", "endpoints", "live", "proven", "flags", "journal", "databases", "held", "marks"}


def test_promise(world: World, exported: dict[str, Any]):
    """What the program promises reaches the declaration, with what it promised last."""
    configure({"version": "2"})
    last = terms(1, doors={"web": "/web/"}, databases=[], deprecated={})
    world.stacks = {OWN: {"terms": last.text}}
    declare = Program()
    world.run(lambda: program(declare, services={"web"}, contract=2, deprecated={"endpoints.web": "use it"}))
    (stack,) = declare.given
    assert (stack.promised, stack.contract, stack.deprecated) == (last, 2, {"endpoints.web": "use it"})


def test_producers(world: World, exported: dict[str, Any]):
    """Of another stack only the contract's outputs are read, and held against what is needed; what it does not tell ends the program."""
    configure({"version": "2"})
    world.stacks = {STAGING: {"url": "http://door", "terms": None, "live": RECORD.shown, "password": "p"}}
    declare = Program()
    world.run(lambda: program(declare, services={"web"}, producers={"shop": Producer(stack=STAGING, contract=1)}))
    told = declare.given[0].producers["shop"]
    assert (set(told.outputs), told["url"], told["live.version"]) == (set(NAMES), "http://door", "1")
    assert [why.partition(",")[0] for why in told.refusals] == [f"shop: '{STAGING}' tells no terms"]

    def missing(stack: Stack) -> Mapping[str, Any]:
        return {"url": stack.producers["shop"]["endpoints.web"]}

    with pytest.raises(pulumi.RunError, match=f"^shop: '{STAGING}' tells no terms"):
        world.run(lambda: program(missing, services={"web"}, producers={"shop": Producer(stack=STAGING, contract=1)}))


def test_wrong_settings(world: World, exported: dict[str, Any]):
    """All that is wrong is one error without a traceback, before any resource is asked for."""
    configure({"version": "2", "services": {"wbe": {}}, "flavour": "x"}, {"ladder": [50, 10], "soak": "soon"})
    declare = Program()
    with pytest.raises(pulumi.RunError) as caught:
        world.run(lambda: program(declare, services={"web"}))
    assert str(caught.value) == (
        "sluice:release.flavour: unknown key: known are version, kind, services, schema, flags; "
        "run: pulumi config rm --path sluice:release.flavour\n"
        "sluice:rollout.soak: 'soon' is not a duration of at most a year: "
        "write '30s', '15m', '1h30m', '500ms', '7d', or a number of seconds\n"
        "sluice:release.services.wbe: the program declares no service 'wbe': did you mean 'web'?\n"
        "sluice:rollout.ladder[1].weight: 10 is not above 50: weights must climb\n"
        "sluice:rollout.ladder: its last weight is 10, not 100: the new version would never have all the traffic"
    )
    assert (world.asked, world.read, declare.given, exported) == ([], [], [], {})


def test_no_settings(world: World, exported: dict[str, Any]):
    """A stack without config is told what to set."""
    configure(None)
    with pytest.raises(pulumi.RunError) as caught:
        world.run(lambda: program(Program(), services={"web"}))
    assert str(caught.value) == "sluice:release.version: is missing; run: pulumi config set --path sluice:release.version VERSION"
    assert world.asked == []


@pytest.mark.engine
@pytest.mark.embedded
def test_refused_in_preview(engine: Engine):
    """What the runtime cannot do is refused by preview itself, in one line, with nothing started and without a traceback."""
    engine.configure("sluice:release", {"version": "1", "services": {"web": {"replicas": 2}}})
    preview = engine.preview()
    assert not preview.ok
    assert "sluice:release.services.web.replicas: 2 of one version, this runtime runs at most 1" in preview.out
    assert "Traceback" not in preview.out
    assert not engine.home.exists()


def test_wrong_place(world: World, exported: dict[str, Any]):
    """Where a stack runs is read with all else, and what is wrong with it is told with all else."""
    configure({"versoin": "2"})
    config.set_config("sluice:runtime", json.dumps({"kind": "podman"}))
    with pytest.raises(pulumi.RunError) as caught:
        world.run(lambda: program(Program(), services={"web"}))
    told = [line.partition(":")[2].partition(":")[0] for line in str(caught.value).splitlines()]
    assert sorted(told) == ["release.version", "release.versoin", "runtime.kind"]
    configure({"version": "2"})
    config.set_config("sluice:runtime", json.dumps({"kind": "docker", "image": "sluice:1"}))
    declare = Program()
    world.run(lambda: program(declare, services={"web"}))
    assert declare.given[0].place == Place(kind="docker", image="sluice:1")
