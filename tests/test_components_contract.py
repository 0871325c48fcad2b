"""What a release promises to other stacks, and what it needs of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pulumi
import pytest

from sluice.components import Release, ReleaseArgs, ServiceArgs, Stack
from sluice.core.check import Check, Limit
from sluice.core.contract import Terms, terms
from sluice.core.producer import Producer, Told, read
from sluice.core.record import Record
from sluice.core.settings import parse
from tests.fixtures.mock import Runtime, World

NOON = datetime(2025, 11, 27, 12, tzinfo=UTC)
BEFORE = terms(1, doors={"web": "/web/", "api": "/api/"}, databases=["shop"], deprecated={})


class Shop:
    """A stack with some services before one database, which has promised both of its doors."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder = world, folder

    def args(self, *names: str) -> ReleaseArgs:
        services = [ServiceArgs(name=name, argv=["run"], artifact=self.folder, prefix=f"/{name}/") for name in names]
        return ReleaseArgs(services=services, databases=["shop"])

    def stack(self, version: str, **known: Any) -> Stack:
        settings = parse({"version": version}, {}, now=NOON)
        return Stack(**{"settings": settings, "required": None, "now": NOON, "proven": [], "promised": BEFORE, **known})

    def record(self, version: str, *names: str) -> Record:
        specs = {one.name: one.spec(version) for one in self.args(*names).services}
        services = {name: {"name": one.name, "version": version, "digest": one.digest, "spec": one.text} for name, one in specs.items()}
        id = parse({"version": version}, {}, now=NOON).release.id
        return Record.model_validate({"id": id, "version": version, "kind": "minor", "services": services, "at": NOON})

    def release(self, stack: Stack, *names: str) -> dict[str, Any]:
        """Declare it; return what other stacks are told."""
        args = self.args(*names)
        self.world.run(lambda: Release("shop", args, stack=stack, runtime=Runtime()) and None)
        return self.world.outputs["shop"]


@pytest.fixture
def shop(world: World, tmp_path: Path) -> Shop:
    return Shop(world, tmp_path)


def test_told(shop: Shop, world: World):
    """A release tells its number, its doors with their addresses, and all of it as one line."""
    told = shop.release(shop.stack("2", proven=[shop.record("1", "web", "api")]), "web", "api")
    assert (told["contract"], told["endpoints"]) == (1, {"web": "http://door/web/", "api": "http://door/api/"})
    assert Terms.parse(told["terms"]) == BEFORE


def test_a_door_that_goes(shop: Shop, world: World):
    """A door that others may use ends the program before anything is declared; with the next number it goes, and people are told."""
    proven = [shop.record("1", "web", "api")]
    with pytest.raises(pulumi.RunError) as caught:
        shop.release(shop.stack("2", proven=proven), "web")
    assert str(caught.value).splitlines()[0] == "contract 1: endpoints.api: '/api/' goes, and other stacks may read it"
    assert not [name for name in world.names if name.startswith("shop-")]

    warned: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pulumi.log, "warn", lambda text, *more: warned.append(text))
        told = shop.release(shop.stack("2", proven=proven, contract=2), "web")
    assert (told["contract"], told["endpoints"]) == (2, {"web": "http://door/web/"})
    assert warned == ["what other stacks are told:\n  - contract 2: endpoints.api: '/api/' goes (never deprecated)"]


def test_back(shop: Shop, world: World):
    """A release that is proven may come back with less than was promised since; a settled one may not lose anything either."""
    old, new = shop.record("1", "web"), shop.record("2", "web", "api")
    assert shop.release(shop.stack("1", proven=[new, old]), "web")["endpoints"] == {"web": "http://door/web/"}
    with pytest.raises(pulumi.RunError, match=r"'2-.*' is live as .*\ncontract 1: endpoints.api: '/api/' goes"):
        shop.release(shop.stack("2", proven=[new, old]), "web")


def test_held(shop: Shop, world: World):
    """A release that is held on its way promises nothing yet: others rely on what is live, and it may go back without having lost them
    anything."""
    world.held.update({"release": "2-a", "weight": 10, "since": "2025-11-27T12:00:00Z", "until": "2025-11-28T12:00:00Z"})
    settings = parse({"version": "2"}, {"until": 10}, now=NOON)
    live = shop.record("1", "web", "api")
    told = shop.release(shop.stack("2", proven=[live], settings=settings, contract=2), "web", "api", "more")
    assert (told["contract"], told["endpoints"]) == (1, {"web": "http://door/web/", "api": "http://door/api/"})
    assert Terms.parse(told["terms"]) == BEFORE
    back = shop.release(shop.stack("1", proven=[live], promised=Terms.parse(told["terms"])), "web", "api")
    assert back["terms"] == told["terms"]


def needs(**changes: Any) -> dict[str, Told]:
    """Return what another stack tells, which is at version 1."""

    def well(other: Told) -> list[Check]:
        return [Check(name="is well", ask="http.status", of={"url": other["url"]}, limit=Limit(is_="==", value=200))]

    other = {"terms": terms(1, doors={}, databases=[], deprecated={}).text, "url": "http://other", "live": {"id": "1-a", "version": "1"}}
    return {"other": read("other", Producer(**{"stack": "o/other/prod", "contract": 1, "checks": well, **changes}), other)}


def test_a_producer_that_is_not_as_needed(shop: Shop, world: World):
    """What another stack lacks ends the program with all else that is wrong; who is settled, or returns, needs nothing of it."""
    why = "other: 'o/other/prod' is at version 1: wanted is >=2"
    live, warm = shop.record("2", "web", "api"), shop.record("1", "web", "api")
    with pytest.raises(pulumi.RunError) as caught:
        shop.release(shop.stack("3", proven=[live], producers=needs(version=">=2")), "web")
    lines = str(caught.value).splitlines()
    assert ([line.partition(":")[0] for line in lines], lines[-1]) == (["contract 1", "contract 1", "other"], why)
    for version in ("2", "1"):
        shop.release(shop.stack(version, proven=[live, warm], producers=needs(version=">=2")), "web", "api")


def test_its_health(shop: Shop, world: World):
    """Whether another stack is well, preflight asks, of a release that is to begin alone."""
    live, warm = shop.record("2", "web", "api"), shop.record("1", "web", "api")
    shop.release(shop.stack("3", proven=[live, warm], producers=needs()), "web", "api")
    (check,) = world["shop-preflight"].inputs["checks"]
    assert (check["name"], check["of"]) == ("other: is well", {"url": "http://other"})
    for version in ("2", "1"):
        shop.release(shop.stack(version, proven=[live, warm], producers=needs()), "web", "api")
        assert "checks" not in world["shop-preflight"].inputs
