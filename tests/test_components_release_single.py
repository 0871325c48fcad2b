"""A service of which one version runs at a time, in a release."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pulumi
import pytest

from sluice.components import Service, ServiceArgs
from sluice.core.record import Record
from tests.fixtures.mock import Asked, Runtime, World
from tests.test_components_release import Shop, app, shop

__all__ = ["app", "shop"]


class Single(Shop):
    """The shop with `letters`, which must not run twice, and which web needs."""

    def service(self, name: str) -> ServiceArgs:
        found = super().service(name)
        return replace(found, prefix="", single=True) if name == "letters" else found

    def record(self, version: str, **more: Any) -> Record:
        found = super().record(version, **more)
        specs = {name: self.service(name).spec(version, needs=self.needs.get(name, ())) for name in self.services}
        told = {name: {"name": one.name, "version": version, "digest": one.digest, "spec": one.text} for name, one in specs.items()}
        return Record.model_validate({**found.model_dump(by_alias=True), "services": told})


@pytest.fixture
def single(world: World, shop: Shop) -> Single:
    one = Single(world, shop.app)
    one.services, one.needs = {"web", "letters"}, {"web": ["letters"]}
    return one


def of(world: World, name: str) -> Asked:
    return next(one for one in world.asked if one.name == name and one.type == "test:index:Service")


def test_turn(single: Single, world: World):
    """All versions are there, and one of them has its turn, which is never frozen; none has a door or a guard."""
    single.release(single.stack("2", proven=[single.record("1")]))
    old, new = (single.name("letters", version) for version in ("1", "2"))
    turn = world["letters-turn"]
    assert (turn.inputs["version"], turn.ignored) == (new, [])
    assert new in turn.after
    assert of(world, old).ignored == ["*"]
    assert [of(world, name).inputs.get("front") for name in (old, new)] == [None, None]
    assert [name for name in world.names if name.startswith("letters@") and name.endswith("-guard")] == []
    assert world.names.count("letters-turn") == 1


def test_whose(single: Single, world: World):
    """It is the turn of the release in config: on the way back that of the warm one, and of a settled one its own."""
    for version, proven in (("1", ["2", "1"]), ("2", ["2", "1"]), ("2", ["1"])):
        single.release(single.stack(version, proven=[single.record(one) for one in proven]))
        assert world["letters-turn"].inputs["version"] == single.name("letters", version)


def test_gone(single: Single, world: World):
    """A service that a release no longer has keeps its turn until its version goes."""
    proven = [single.record("1")]
    single.services, single.needs = {"web"}, {}
    single.release(single.stack("2", proven=proven))
    assert world["letters-turn"].inputs["version"] == single.name("letters", "1")


def test_left(single: Single, world: World):
    """Of a service that only the warm release has nobody has the turn: what runs of it runs until that goes."""
    proven = [single.record("1")]
    single.services, single.needs = {"web"}, {}
    single.release(single.stack("2", proven=[single.record("2"), *proven]))
    assert of(world, single.name("letters", "1")).ignored == ["*"]
    assert "letters-turn" not in world.names


def test_alone(single: Single):
    """A version that is declared without a release has no turn, and is refused."""
    with pytest.raises(pulumi.RunError) as error:
        Service(single.service("letters").spec("1"), runtime=Runtime())
    why = "runs one version at a time (single), and only a Release knows whose turn it is: declare it in one"
    assert str(error.value) == f"service 'letters': {why}"


def test_not_touched(single: Single, world: World):
    """Another version of it leaves those that need it as they are; a new one of theirs waits for its turn, and the live one does not."""
    proven = [single.record("1")]
    single.release(single.stack("1", proven=proven, services={"letters": {"version": "2"}}))
    (web,) = [one for one in world.asked if one.name.startswith("web@") and one.type == "test:index:Service"]
    assert (web.name.startswith("web@1-"), web.ignored) == (True, ["*"])
    assert "letters-turn" not in web.after
    world.asked.clear()
    single.release(single.stack("2", proven=proven))
    webs = {one.inputs["version"]: one for one in world.asked if one.name.startswith("web@") and one.type == "test:index:Service"}
    assert {version: "letters-turn" in one.after for version, one in webs.items()} == {"1": False, "2": True}
    assert webs["2"].inputs["env"]["LETTERS_URL"] == "http://letters-2"


def test_climb(single: Single, world: World):
    """The canary asks the new version whether it is well, and not for answers that pass no door."""
    single.release(single.stack("2", proven=[single.record("1")]))
    rollout = world["shop-canary-ladder"].inputs["rollout"]
    assert [pair["canary"]["service"] for pair in rollout["pairs"]] == ["web"]
    asked = [check["name"] for check in rollout["checks"] if check["name"].startswith("letters")]
    assert "letters is well" in asked
    assert not [name for name in asked if "error" in name or "latency" in name or "p95" in name]
