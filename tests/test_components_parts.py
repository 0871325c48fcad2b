"""The parts of a release, each declared on its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import pytest

from sluice.components import Backup, Canary, Database, Flag, Gate, Migration, Restore, Service, ServiceArgs, SmokeTest
from sluice.components.base import known
from sluice.core.check import Check, Limit
from sluice.core.moment import Moment
from sluice.core.rollout import DEADLINE
from sluice.core.spec import Spec
from sluice.runtimes import port
from tests.fixtures.mock import SPLIT, Runtime, World

CHECK = Check(name="q", ask="http.status", of={"url": "http://x"}, limit=Limit(is_="==", value=200))
SPEC = Spec(service="web", version="1", argv=["run"], artifact="/app", prefix="/web/")

ASKED = {"release": "r1", "nonce": "n1", "database": "shop", "backup": "B1"}

Make = Callable[[pulumi.ResourceOptions | None], Any]


def flag(opts: pulumi.ResourceOptions | None = None) -> Flag:
    return Flag("beta", file="/flags.json", on=True, opts=opts)


def gate(opts: pulumi.ResourceOptions | None = None) -> Gate:
    return Gate("well", release="r1", checks=[CHECK, CHECK.wire()], opts=opts)


def smoke(opts: pulumi.ResourceOptions | None = None) -> SmokeTest:
    return SmokeTest("smoke", release="r1", journeys=[{"name": "home"}], targets={"web": "http://x"}, opts=opts)


def canary(opts: pulumi.ResourceOptions | None = None) -> Canary:
    return Canary("climb", release="r1", split=SPLIT, rollout={"release": "r1", "deadline": DEADLINE}, opts=opts)


def backup(opts: pulumi.ResourceOptions | None = None) -> Backup:
    return Backup("save", release="r1", databases=[], folder="/backups", opts=opts)


def migration(opts: pulumi.ResourceOptions | None = None) -> Migration:
    return Migration("grow", release="r1", phase="expand", databases=[], folder="/backups", backups={}, opts=opts)


def database(opts: pulumi.ResourceOptions | None = None) -> Database:
    return Database("data", runtime=Runtime(), databases=["shop"], connections=7, keep=False, opts=opts)


def restore(opts: pulumi.ResourceOptions | None = None) -> Restore:
    return Restore("undo", release="r1", databases=[], folder="/backups", instructions=[ASKED], opts=opts)


def service(opts: pulumi.ResourceOptions | None = None) -> Service:
    runtime = Runtime()
    return Service(SPEC, runtime=runtime, front=runtime.front("door"), opts=opts)


PARTS: list[tuple[Make, str, list[str]]] = [
    (flag, "beta", ["beta > beta-switch (Flag)"]),
    (gate, "well", ["well > well-gate (Gate)"]),
    (smoke, "smoke", ["smoke > smoke-journeys (Smoke)"]),
    (canary, "climb", ["climb > climb-ladder (Canary)"]),
    (backup, "save", ["save > save-dump (Backup)"]),
    (migration, "grow", ["grow > grow-run (Migration)"]),
    (database, "data", ["data > data-server (Store)"]),
    (restore, "undo", ["undo > undo-swap (Restore)"]),
    (service, SPEC.name, [f"{SPEC.name} > {SPEC.name} (Service)", f"{SPEC.name} > {SPEC.name}-guard (Guard)"]),
]


@pytest.mark.parametrize(("make", "name", "children"), PARTS)
def test_children(world: World, make: Make, name: str, children: list[str]):
    """A part's children have stable names below it, and it registers its outputs."""
    world.run(lambda: make(None) and None)
    assert world.tree == children
    assert name in world.outputs


@pytest.mark.parametrize(("make", "name", "children"), PARTS)
def test_options(world: World, make: Make, name: str, children: list[str]):
    """What a program says of a part holds for its children, and what the part waits for comes first."""

    def program() -> None:
        first = Flag("first", file="/flags.json", on=True)
        make(pulumi.ResourceOptions(protect=True, depends_on=[first]))

    world.run(program)
    below = [one for one in world.asked if one.parent == name]
    assert below
    assert all(one.protect for one in below)
    assert all("first-switch" in one.after for one in below)


def test_flag(world: World):
    """A flag is its own name unless told another, and is switched without waiting for anything."""
    world.run(lambda: flag() and None)
    assert world["beta-switch"].inputs == {"file": "/flags.json", "flag": "beta", "on": True}
    assert (world["beta-switch"].after, world.outputs["beta"]) == ([], {"on": True})
    world.run(lambda: Flag("shop-beta", file="/flags.json", flag_name="beta", on=False) and None)
    assert world["shop-beta-switch"].inputs == {"file": "/flags.json", "flag": "beta", "on": False}


def test_gate(world: World):
    """A gate takes checks as values and as data, and says what they came to."""
    world.run(lambda: gate() and None)
    assert world["well-gate"].inputs == {
        "release": "r1",
        "moment": "health",
        "checks": [CHECK.wire(), CHECK.wire()],
        "deadline": 60,
    }
    assert world.outputs["well"] == {"verdicts": ["web is well: 200"]}


def test_gate_of_a_release(world: World):
    """What all hooks of a release share is handed through, and the gate's own words win."""
    common = {"notify": [], "contacts": [], "fallback": SPLIT, "release": "other"}
    world.run(lambda: Gate("g", release="r1", settled=False, moment=Moment.SETTLE, checks=[], common=common) and None)
    assert world["g-gate"].inputs == {**common, "release": "r1", "settled": False, "moment": "settle", "checks": [], "deadline": 60}


def test_told(world: World):
    """What was saved and what ran is in the output of `pulumi up`, not in state alone; a backup belongs to its stack."""

    def program() -> None:
        backup()
        migration()

    world.run(program)
    assert sorted(world.said) == ["shop: 0001_a", "shop: b1, 1.0 MiB"]
    assert world["save-dump"].inputs["owner"] == "shop/production"
    assert world.outputs["grow"] == {"revisions": {"shop": "0001"}, "lines": ["shop: 0001_a"]}


def test_smoke(world: World):
    """Smoke tests are given their journeys, targets and databases."""
    world.run(lambda: smoke() and None)
    told = {"release": "r1", "journeys": [{"name": "home"}], "targets": {"web": "http://x"}, "databases": {}, "deadline": 180}
    assert world["smoke-journeys"].inputs == told


def test_canary(world: World):
    """A canary is given its split and what to do, and says which steps were proven."""
    world.run(lambda: canary() and None)
    assert world["climb-ladder"].inputs == {"release": "r1", "split": SPLIT, "rollout": {"release": "r1", "deadline": 3600}}
    assert world.outputs["climb"] == {"steps": ["100 %: 9 requests"], "held": {}}


def test_restore(world: World):
    """A restore hands over what was asked for, and where backups are."""
    world.run(lambda: restore() and None)
    given = {"release": "r1", "databases": [], "folder": "/backups", "instructions": [ASKED]}
    assert world["undo-swap"].inputs == {**given, "moves": False, "jobs": 1, "checks": [], "deadline": 60}


@pytest.mark.parametrize(
    ("how", "said"), [({}, True), ({"settled": False}, True), ({"settled": True}, False), ({"settled": True, "heard": True}, True)]
)
def test_restore_told(world: World, how: dict[str, bool], said: bool):
    """What a restore came to is in the output of `pulumi up`; a settled release has that of the last time, unless something is new."""
    world.run(lambda: Restore("undo", release="r1", databases=[], folder="/backups", instructions=[ASKED], **how) and None)
    assert world.said == (["shop: nothing"] if said else [])


def test_database(world: World):
    """A database hands its server's address on, and no password or passfile with it."""
    world.run(lambda: database() and None)
    assert world["data-server"].inputs == {"databases": ["shop"], "connections": 7, "keep": False}
    assert world.outputs["data"] == {"host": "127.0.0.1", "port": 5432, "user": "sluice", "databases": ["shop"]}


def test_service(world: World):
    """A version says how it is reached; its guard depends on it, so that it goes before it."""
    world.run(lambda: service() and None)
    assert world.outputs[SPEC.name] == {"descriptor": {"name": SPEC.name, "service": "web", "version": "1", "url": "http://web-1"}}
    assert SPEC.name in world[f"{SPEC.name}-guard"].after


def test_service_without_a_door(world: World):
    """A version without a door has no traffic to guard, and without a database no address of one."""
    world.run(lambda: Service(SPEC, runtime=Runtime(), frozen=True) and None)
    assert world.tree == [f"{SPEC.name} > {SPEC.name} (Service)"]
    assert world[SPEC.name].inputs["env"] == {"SLUICE_FLAGS": "/flags.json"}
    assert world[SPEC.name].ignored == ["*"]


def test_address(world: World):
    """Others call a version where its runtime says, and else where the runner does."""
    found = dict[str, str]()

    def ask() -> None:
        plain = Runtime().service(port.Spec(name="web@1", service="web", version="1", artifact="/app"))
        inside = replace(plain, address=pulumi.Output.from_input("http://web:80"))
        pulumi.Output.all(plain.url, inside.url).apply(lambda urls: found.update(zip(("plain", "inside"), urls, strict=True)))

    world.run(ask)
    assert found == {"plain": "http://web-1", "inside": "http://web:80"}


def test_arguments(tmp_path: Path):
    """What stays the same from version to version is in every spec; settings go over the plain variables."""
    (tmp_path / "run.py").write_text("print(1)\n")
    args = ServiceArgs(
        name="web", argv=("run",), artifact=tmp_path, prefix="/", env={"A": "1", "B": "1"}, secrets={"Z": "z", "T": "t"}, grace=3
    )
    spec = args.spec("2", settings={"B": "2"}, replicas=2)
    assert (spec.env, spec.secrets, spec.replicas, spec.grace) == ({"A": "1", "B": "2"}, ["T", "Z"], 2, 3)
    assert (spec.artifact, len(spec.digest)) == (str(tmp_path), 64)
    assert "z" not in spec.text.partition("secrets")[0]


def test_known():
    """What is not there is left out."""
    assert known([None, None]) == []
