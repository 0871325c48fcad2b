"""A whole release, as the engine is asked for it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime import rpc

from sluice.components import Release, ReleaseArgs, ServiceArgs, Stack, facts
from sluice.components.marks import At
from sluice.core.check import Check, Limit
from sluice.core.contract import Terms
from sluice.core.journal import Actor, Source
from sluice.core.ladder import weights
from sluice.core.plan import text
from sluice.core.record import Record
from sluice.core.requirement import Requirement
from sluice.core.settings import parse
from sluice.core.spec import Spec
from sluice.core.version import Version
from sluice.systems import begun
from tests.fixtures.mock import SPLIT, Runtime, World

NOON = datetime(2025, 11, 27, 12, tzinfo=UTC)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "web.py").write_text("print('web')\n")
    return folder


class Shop:
    """A stack with the services web and api before one database."""

    def __init__(self, world: World, app: Path) -> None:
        self.world, self.app = world, app
        self.services = {"web", "api"}
        self.more: dict[str, Any] = {}
        self.needs: dict[str, list[str]] = {}

    def service(self, name: str) -> ServiceArgs:
        argv = ["python", f"{name}.py", "--port", "{port}"]
        secrets = {"TOKEN": pulumi.Output.secret("hunter2")} if name == "api" else {}
        return ServiceArgs(
            name=name,
            argv=argv,
            artifact=self.app,
            prefix=f"/{name}/",
            database="shop",
            env={"MODE": "fast"},
            secrets=secrets,
            needs=self.needs.get(name, ()),
            memory=2**20,
        )

    def stack(self, version: str, *, proven: list[Record] | None = None, rollout: dict[str, Any] | None = None, **release: Any) -> Stack:
        settings = parse({"version": version, **release}, rollout or {}, now=NOON)
        return Stack(settings=settings, proven=proven or [], required=None, now=NOON)

    def args(self) -> ReleaseArgs:
        services = [self.service(name) for name in sorted(self.services, reverse=True)]
        return ReleaseArgs(services=services, databases=["shop"], **self.more)

    def release(self, stack: Stack, *, runtime: Runtime | None = None, opts: pulumi.ResourceOptions | None = None) -> Release:
        found: list[Release] = []
        self.world.run(lambda: found.append(Release("shop", self.args(), stack=stack, runtime=runtime or Runtime(), opts=opts)))
        return found[0]

    def record(self, version: str, *, at: datetime = NOON, id: str | None = None) -> Record:
        stack = self.stack(version)
        specs = {name: self.service(name).spec(version) for name in self.services}
        services = {name: {"name": one.name, "version": version, "digest": one.digest, "spec": one.text} for name, one in specs.items()}
        return Record.model_validate(
            {"id": id or stack.settings.release.id, "version": version, "kind": "minor", "services": services, "at": at}
        )

    def name(self, service: str, version: str) -> str:
        return self.service(service).spec(version).name


@pytest.fixture
def shop(world: World, app: Path) -> Shop:
    return Shop(world, app)


def test_saved_on_the_way_back(shop: Shop, world: World):
    """A quick return saves only what it changes, also where config wants a backup with every release."""
    proven = [shop.record("2"), shop.record("1")]
    for version, when in (("3", "always"), ("1", "pending")):
        shop.release(shop.stack(version, proven=proven, rollout={"backup": {"when": "always"}}))
        assert world["shop-backup-dump"].inputs["when"] == when


def test_without_a_backup(shop: Shop, world: World):
    """Who lets a release go without its backup is told to all that would insist on one; another release is not meant."""
    id = shop.stack("3").settings.release.id
    for release, wanted in ((id, "Ada"), ("other", None)):
        permission = {"release": release, "by": "Ada", "nonce": "n1", "skip": "backup"}
        rollout = {"backup": {"when": "always"}, "permissions": [permission]}
        shop.release(shop.stack("3", proven=[shop.record("2")], rollout=rollout))
        assert [world[name].inputs.get("skip") for name in ("shop-preflight", "shop-backup-dump")] == [wanted, wanted]


def test_without_smoke_tests(shop: Shop, world: World):
    """Who lets a release go without its smoke tests is told to both of them, to people, and to the record; another release is not meant."""
    shop.more = {"journeys": [{"name": "j", "target": "web", "steps": [{"name": "a", "path": "/"}]}]}
    id = shop.stack("3").settings.release.id
    for release, wanted in ((id, "Ada"), ("other", None)):
        rollout = {"permissions": [{"release": release, "by": "Ada", "nonce": "n1", "skip": "tests"}]}
        shop.release(shop.stack("3", proven=[shop.record("2")], rollout=rollout))
        both = [world[f"shop-{role}-journeys"].inputs for role in ("smoke", "front")]
        assert [(one.get("skip"), len(one["journeys"])) for one in both] == [(wanted, 0 if wanted else 1)] * 2
        end = ", without its smoke tests by leave of 'Ada'" if wanted else ""
        texts = [world[f"shop-{role}"].inputs["text"] for role in ("announcement", "notice")]
        assert texts == [f"{id} begins on production{end}", f"{id} is live and proven on production{end}"]
        assert world["shop-record"].inputs["record"].get("skipped") == ({"tests": "Ada"} if wanted else None)


def test_children(shop: Shop, world: World):
    """The children of a release and their names are stored in state: another name is another resource."""
    stack = shop.stack("2", proven=[shop.record("1")], flags={"beta": True})
    shop.release(stack)
    web1, web2, api1, api2 = (shop.name(service, version) for service in ("web", "api") for version in ("1", "2"))
    versions = [line for name in (web1, web2, api1, api2) for line in (f"shop > {name} (Service)", f"shop > {name}-guard (Guard)")]
    assert world.tree == sorted(
        [
            "shop > shop-announcement (Notify)",
            "shop > shop-backup (Backup)",
            "shop > shop-baseline (Preflight)",
            "shop > shop-canary (Canary)",
            "shop > shop-database (Database)",
            "shop > shop-flag-beta (Flag)",
            "shop > shop-front (Front)",
            "shop > shop-front (SmokeTest)",
            "shop > shop-health (Gate)",
            "shop > shop-mark (Mark)",
            "shop > shop-notice (Notify)",
            "shop > shop-preflight (Preflight)",
            "shop > shop-record (Record)",
            "shop > shop-restore-after (Restore)",
            "shop > shop-restore-before (Restore)",
            "shop > shop-smoke (SmokeTest)",
            "shop-backup > shop-backup-dump (Backup)",
            "shop-canary > shop-canary-ladder (Canary)",
            "shop-database > shop-database-server (Store)",
            "shop-flag-beta > shop-flag-beta-switch (Flag)",
            "shop-front > shop-front-journeys (Smoke)",
            "shop-health > shop-health-gate (Gate)",
            "shop-restore-after > shop-restore-after-swap (Restore)",
            "shop-restore-before > shop-restore-before-swap (Restore)",
            "shop-smoke > shop-smoke-journeys (Smoke)",
            *versions,
        ]
    )


def after(world: World, name: str) -> set[str]:
    """Return what a resource waits for: its own dependencies, and those of the components that it is in."""
    one = world[name]
    above = [other for other in world.asked if other.name == one.parent and other.type.startswith("sluice:")]
    return set(one.after).union(*(other.after for other in above))


def test_order(shop: Shop, world: World):
    """Nothing of a release begins before its preflight and the baseline, and each moment waits for the one before; marks are last."""
    shop.release(shop.stack("2", proven=[shop.record("1")]))
    old, new = (([shop.name("web", v), shop.name("api", v)]) for v in "12")
    # Which it asks, but for a first deployment.
    assert after(world, "shop-preflight") == {"shop-database-server"}
    assert after(world, "shop-baseline") == {"shop-preflight", "shop-front"}
    assert {"shop-baseline", "shop-database-server"} <= after(world, "shop-restore-before-swap")
    assert {"shop-restore-before-swap", "shop-database-server"} <= after(world, "shop-backup-dump")
    assert all({"shop-backup-dump", "shop-database-server"} <= after(world, name) for name in new)
    assert all("shop-backup-dump" not in after(world, name) for name in old)
    assert all(after(world, f"{name}-guard") >= {name} for name in old + new)
    assert set(new) <= after(world, "shop-health-gate")
    assert {"shop-health-gate"} <= after(world, "shop-smoke-journeys")
    assert {"shop-smoke-journeys", *old, *new} <= after(world, "shop-canary-ladder")
    assert {"shop-canary-ladder"} <= after(world, "shop-restore-after-swap")
    assert {"shop-restore-after-swap"} <= after(world, "shop-front-journeys")
    assert {"shop-front-journeys"} <= after(world, "shop-record")
    assert {"shop-record"} <= after(world, "shop-notice")
    assert {"shop-notice"} <= after(world, "shop-mark")


def test_a_release_of_a_schema_alone(shop: Shop, world: World, tmp_path: Path):
    """Without a new version everything still waits for expand, and settle for the tests that ran on what expand has brought."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "0001_a.sql").write_text("create table a (id int);")
    proofs = {"shop": {"all is paid": "select * from orders where not paid"}}
    shop.more = {**shop.more, "migrations": {"shop": folder}, "proofs": proofs}
    stack = shop.stack("1", schema={"shop": "0001"})
    shop.release(shop.stack("1", proven=[shop.record("1", id="1-old")], schema={"shop": "0001"}))
    assert stack.settings.release.schema_ == {"shop": "0001"}
    assert {"shop-backup-dump"} <= after(world, "shop-expand-run")
    assert {"shop-expand-run"} <= after(world, "shop-health-gate")
    assert {"shop-front-journeys"} <= after(world, "shop-settle-run")
    assert {"shop-settle-run"} <= after(world, "shop-record")
    (wanted,) = world["shop-expand-run"].inputs["databases"]
    assert (wanted["target"], wanted["folder"], wanted["store"]["tools"]) == ("0001", str(folder), "/tools")
    assert world["shop-backup-dump"].inputs["databases"][0]["checks"] == proofs["shop"]


def test_a_release_of_a_schema_alone_leaves_the_warm_version(shop: Shop, world: World, tmp_path: Path):
    """The version before the live one stays declared, as it is: it is not stopped, to be started again by the next update."""
    (tmp_path / "0001_a.sql").write_text("create table a (id int);")
    shop.more = {**shop.more, "migrations": {"shop": tmp_path}}
    shop.release(shop.stack("2", proven=[shop.record("2", id="2-old"), shop.record("1")], schema={"shop": "0001"}))
    for service in ("web", "api"):
        assert world[shop.name(service, "1")].ignored == ["*"]


def test_what_serves_is_frozen(shop: Shop, world: World):
    """Nothing of a version that serves, or has served, changes in place; the new one is declared as config says."""
    shop.release(shop.stack("2", proven=[shop.record("1")]))
    for service in ("web", "api"):
        assert world[shop.name(service, "1")].ignored == ["*"]
        assert world[shop.name(service, "2")].ignored == []


def test_when_settled_all_that_runs_is_frozen(shop: Shop, world: World):
    """The live and the warm release are both declared from their records, and neither changes."""
    one, two = shop.record("1"), shop.record("2")
    shop.release(shop.stack("2", proven=[two, one]))
    assert {one.ignored == ["*"] for one in world.asked if one.type == "test:index:Service"} == {True}
    assert len([one for one in world.asked if one.type == "test:index:Service"]) == 4
    assert {one.inputs["settled"] for one in world.asked if "settled" in one.inputs} == {True}
    assert world.said == []


def test_on_a_first_deployment_nothing_precedes_preflight(shop: Shop, world: World):
    """Where nothing runs yet, the runtime itself waits for preflight, and with it all that is in it."""
    shop.release(shop.stack("1"))
    doors = [one for one in world.asked if one.type == "test:index:Front"]
    assert [one.after for one in doors] == [["shop-preflight"]]


def test_a_running_stack_is_repaired_without_preflight(shop: Shop, world: World):
    """Where a release is live, the door and the database wait for no permission: what died is started again."""
    shop.release(shop.stack("2", proven=[shop.record("1")]))
    assert after(world, "shop-database-server") == set()
    assert [one.after for one in world.asked if one.type == "test:index:Front"] == [[]]


def test_a_version(shop: Shop, world: World):
    """A version is given its spec, its settings, the way to its database and the flags; a secret is its own kind of variable."""
    shop.release(shop.stack("2", services={"api": {"version": "2.1", "settings": {"MODE": "slow"}}}))
    spec = shop.service("api").spec("2.1", settings={"MODE": "slow"})
    given = dict(world[spec.name].inputs)
    secrets = given.pop("secrets")
    assert (secrets["value"], rpc._special_sig_key in secrets) == ({"TOKEN": "hunter2"}, True)
    assert given == {
        "name": spec.name,
        "service": "api",
        "version": "2.1",
        "artifact": str(shop.app),
        "digest": spec.digest,
        "argv": ["python", "api.py", "--port", "{port}"],
        "env": {
            "MODE": "slow",
            "SLUICE_FLAGS": "/flags.json",
            "PGHOST": "127.0.0.1",
            "PGPORT": "5432",
            "PGUSER": "sluice",
            "PGPASSFILE": "/pass",
            "PGDATABASE": "shop",
        },
        "memory": 2**20,
        "cpu": 0,
        "health": "/health",
        "ready": 30,
        "grace": 10,
        "single": False,
        "front": SPLIT,
    }
    assert world[f"{spec.name}-guard"].inputs == {"version": spec.name, "split": json.dumps(SPLIT, sort_keys=True)}


OWN = {"notify": [], "contacts": []}
SOURCE = Source(path="/journal.jsonl", stack="production", run="r1", actor=Actor(user="ada", host="here"))
# What steps that run are given; without it nothing is written down, and a settled release costs nothing.
RUNS = {**OWN, "journal": SOURCE.text}


@pytest.fixture(autouse=True)
def source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever tests is always the same."""
    monkeypatch.setattr(facts, "source", lambda path: SOURCE.model_copy(update={"path": path}))


def routes(shop: Shop, live: str | None, canary: str | None) -> list[dict[str, Any]]:
    found = []
    for service in ("web", "api"):
        route = {"service": service, "prefix": f"/{service}/"}
        route |= {"live": shop.name(service, live)} if live else {}
        found.append(route | ({"canary": shop.name(service, canary)} if canary else {}))
    return found


def by(routes: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {route["service"]: route for route in routes}


def test_preflight(shop: Shop, world: World):
    """Preflight is given what must be so and the whole plan; the baseline, where traffic belongs without this release."""
    shop.more = {"requirements": Requirement(memory_free_bytes=1)}
    release = shop.release(shop.stack("2", proven=[shop.record("1")]))
    told = {**RUNS, "release": release.plan.release, "settled": False}
    given = dict(world["shop-preflight"].inputs)
    assert [one["store"]["dbname"] for one in given.pop("databases")] == ["shop"]
    assert (given.pop("when"), given.pop("ask")["release"]) == ("pending", release.plan.release)
    assert given.pop("room") == {"folder": "/backups", "double": False}
    assert given == {
        **told,
        "facts": [],
        "requirements": Requirement(memory_free_bytes=1).wire(),
        "plan": text(release.plan),
    }
    baseline = dict(world["shop-baseline"].inputs)
    assert by(baseline.pop("split").pop("routes")) == by(routes(shop, "1", None))
    assert baseline == told
    assert world.said[0] == text(release.plan)


@pytest.mark.parametrize(("version", "new"), [("3", 2), ("2", 0), ("1", 0)])
def test_what_the_runtime_requires(shop: Shop, world: World, version: str, new: int):
    """What a runtime needs is asked with what the team requires: for what it has not run yet, so of nothing that is live or warm."""
    shop.more = {"requirements": Requirement(memory_free_bytes=1)}
    runtime = Runtime()
    runtime.needs = Requirement(engine="20.10", images={"a": 1})
    shop.release(shop.stack(version, proven=[shop.record("2"), shop.record("1")]), runtime=runtime)
    wanted = Requirement(memory_free_bytes=1, engine="20.10", images={"a": 1})
    assert world["shop-preflight"].inputs["requirements"] == wanted.wire()
    assert runtime.new == [str(shop.app)] * new


def test_preview_of_what_the_runtime_lacks(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    """What the place lacks where a release is to run is told in preview already."""
    told: list[str] = []
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    monkeypatch.setattr(pulumi.log, "warn", lambda text, *_: told.append(text))
    monkeypatch.setenv("PATH", "/nonexistent")
    runtime = Runtime()
    runtime.needs = Requirement(engine="20.10")
    shop.release(shop.stack("1"), runtime=runtime)
    why = "there is no 'docker' on PATH: install Docker's client"
    assert told == [f"as things are now, `pulumi up` will refuse this release:\n  - {why}"]


def test_the_way_back_asks_no_database(shop: Shop, world: World):
    """To a release that is still warm, preflight lets go whatever a database has to say: traffic is taken from the failed one first."""
    release = shop.release(shop.stack("1", proven=[shop.record("2"), shop.record("1")]))
    assert release.plan.returning
    assert "databases" not in world["shop-preflight"].inputs


def asked(release: str, **more: Any) -> dict[str, Any]:
    return {"release": release, "nonce": "n1", "database": "shop", "backup": "B1", **more}


def test_a_restore(shop: Shop, world: World):
    """What config asks of this release is looked at by preflight and done once before its code or after it has the traffic, and its
    backup is not pruned; what it asks of another one is void."""
    proven = [shop.record("1")]
    id = shop.stack("2").settings.release.id
    mine, other = asked(id, refuse=True), asked("1-abc", nonce="n2", backup="B2")
    rollout = {"restore": [mine, other], "aside": {"keep": "1h"}, "backup": {"jobs": 4}}
    shop.release(shop.stack("2", proven=proven, rollout=rollout))
    before, after = (dict(world[f"shop-restore-{turn}-swap"].inputs) for turn in ("before", "after"))
    databases = before.pop("databases")
    assert [one["store"]["dbname"] for one in databases] == ["shop"]
    shared = {**RUNS, "release": id, "settled": False, "folder": "/backups", "instructions": [mine], "moves": True, "jobs": 4}
    # Not before the warm versions go.
    shared |= {"keep": 24 * 3600, "deadline": 120}
    assert before == {**shared, "turn": "before", "checks": []}
    assert {check["of"]["url"] for check in after.pop("checks")} == {"http://web-2/health", "http://api-2/health"}
    assert after == {**shared, "turn": "after", "databases": databases}
    given = world["shop-preflight"].inputs["restore"]
    assert given == {"release": id, "settled": False, "instructions": [mine], "databases": databases, "folder": "/backups"}
    assert world["shop-backup-dump"].inputs["needed"] == ["B1", "B2"]


def test_the_way_back_asks_a_database_that_goes_back(shop: Shop, world: World):
    """A quick return asks no database whether it can go where it is wanted, but what is to be restored it looks at."""
    id = shop.stack("1").settings.release.id
    release = shop.release(shop.stack("1", proven=[shop.record("2"), shop.record("1")], rollout={"restore": [asked(id)]}))
    assert release.plan.returning
    given = world["shop-preflight"].inputs
    assert ("databases" in given, given["restore"]["instructions"]) == (False, [asked(id, refuse=False)])


def test_a_restore_of_the_live_release(shop: Shop, world: World):
    """A settled release hands its databases to a restore only when config asks it for one, and moves no version."""
    one = shop.record("1")
    shop.release(shop.stack("1", proven=[one]))
    given = world["shop-restore-before-swap"].inputs
    assert (given["settled"], given["databases"], given["instructions"], given["moves"]) == (True, [], [], False)
    shop.release(shop.stack("1", proven=[one], rollout={"restore": [asked(one.id, database="gone")]}))
    given = world["shop-restore-after-swap"].inputs
    assert [one["store"]["dbname"] for one in given["databases"]] == ["shop"]
    assert len(given["checks"]) == 2
    assert "restore" not in world["shop-preflight"].inputs
    # What speaks against it the hook says; and where there is something new, what it says is heard.
    assert world.said == 2 * ["shop: nothing"]


def test_a_restore_that_was_given_up(shop: Shop, world: World, tmp_path: Path):
    """Where a restore was begun and not ended, a settled release hands its databases to the second turn, which waits for its
    services, and what that says is heard."""
    runtime, live = Runtime(), shop.stack("1", proven=[shop.record("1")])
    runtime.backups = pulumi.Output.from_input(str(tmp_path))
    begun.note(str(tmp_path), "another")
    begun.note(str(tmp_path), "shop")
    shop.release(live, runtime=runtime)
    given = {turn: world[f"shop-restore-{turn}-swap"].inputs["databases"] for turn in ("before", "after")}
    assert ([one["store"]["dbname"] for one in given["after"]], given["before"]) == (["shop"], [])
    assert len(world["shop-restore-after-swap"].inputs["checks"]) == 2
    assert world.said == ["shop: nothing"]
    begun.forget(str(tmp_path), "shop")
    shop.release(live, runtime=runtime)
    after = world["shop-restore-after-swap"].inputs
    assert (after["databases"], after["checks"]) == ([], [])


def test_gates(shop: Shop, world: World):
    """The health gate asks every version of the release on its own address, the program's own questions included."""
    more = Check(name="more", ask="logs.count", of={"path": "/log"}, limit=Limit(is_="<=", value=0))
    shop.more = {"well": lambda version: [more] if version.service == "web" else []}
    release = shop.release(shop.stack("2", proven=[shop.record("1")], rollout={"deadlines": {"health": "90s"}}))
    given = dict(world["shop-health-gate"].inputs)
    checks = {check["name"]: check for check in given.pop("checks")}
    assert given == {**RUNS, "release": release.plan.release, "settled": False, "moment": "health", "deadline": 90}
    assert {name: check["of"] for name, check in checks.items()} == {
        "web is well": {"url": "http://web-2/health"},
        "api is well": {"url": "http://api-2/health"},
        "more": {"path": "/log"},
    }


def test_smoke(shop: Shop, world: World):
    """Journeys go to the new versions first, then through the door; only then does a failure take traffic back."""
    journeys = [{"name": "home", "steps": []}]
    shop.more = {"journeys": journeys}
    release = shop.release(shop.stack("2", proven=[shop.record("1")]))
    store = {"host": "127.0.0.1", "port": 5432, "user": "sluice", "passfile": "/pass", "dbname": "shop"}
    shared = {
        **RUNS,
        "release": release.plan.release,
        "settled": False,
        "journeys": journeys,
        "databases": {"shop": store},
        "deadline": 180,
    }
    direct, through = dict(world["shop-smoke-journeys"].inputs), dict(world["shop-front-journeys"].inputs)
    assert direct == {**shared, "targets": {"web": "http://web-2", "api": "http://api-2"}}
    assert by(through.pop("fallback").pop("routes")) == by(routes(shop, "1", None))
    assert through == {**shared, "targets": {"web": "http://door", "api": "http://door"}}


def test_canary(shop: Shop, world: World):
    """The canary is given the ladder, the doors with both versions, the pairs to compare, and the checks of the new ones."""
    own = Check(name="own", ask="logs.count", limit=Limit(is_="<=", value=0))
    shop.more = {
        "watch": lambda version: [own.model_copy(update={"name": f"own of {version.name}"})],
        "data": lambda stores: [own.model_copy(update={"name": "rows", "ask": "sql", "of": {**stores["shop"], "query": "select 0"}})],
    }
    rollout = {"ladder": [10, 100], "soak": "60s", "samples": 7, "poll": "2s", "deadline": "20m"}
    shop.release(shop.stack("2", proven=[shop.record("1")], rollout=rollout))
    given = world["shop-canary-ladder"].inputs
    walked = given["rollout"]
    assert by(given["split"]["routes"]) == by(routes(shop, "1", None))
    assert by(walked["routes"]) == by(routes(shop, "1", "2"))
    assert walked["ladder"]["steps"] == [{"weight": weight, "soak": 60, "samples": 7} for weight in (10, 100)]
    assert (walked["poll"], walked["deadline"]) == (2, 1200)
    assert {(pair["canary"]["name"], pair["live"]["name"]) for pair in walked["pairs"]} == {
        (shop.name(service, "2"), shop.name(service, "1")) for service in ("web", "api")
    }
    names = {check["name"] for check in walked["checks"]}
    assert {f"own of {shop.name('web', '2')}", "web is well", "web: error rate", "api: database connections", "api: memory"} <= names
    assert not {name for name in names if "cpu" in name}, "no limit, no question"
    (rows,) = (check for check in walked["checks"] if check["name"] == "rows")
    assert (rows["of"]["dbname"], rows["of"]["query"]) == ("shop", "select 0")


def test_one_of_two_services(shop: Shop, world: World):
    """Only what is new climbs and is compared; the health gate still asks both."""
    stack = shop.stack("1", services={"web": {"settings": {"COLOUR": "green"}}}, proven=[shop.record("1")])
    shop.release(stack)
    walked = world["shop-canary-ladder"].inputs["rollout"]
    assert [pair["canary"]["service"] for pair in walked["pairs"]] == ["web"]
    assert "canary" not in by(walked["routes"])["api"]
    assert len(world["shop-health-gate"].inputs["checks"]) == 2
    assert len([one for one in world.asked if one.type == "test:index:Service"]) == 3


@pytest.mark.parametrize("proven", [[], ["2", "1"]])
def test_without_a_ladder_health_alone(shop: Shop, world: World, proven: list[str]):
    """A first deployment and a return have nobody to compare with, and are watched by their health."""
    shop.more = {"data": lambda stores: [Check(name="rows", ask="sql", of=stores["shop"], limit=Limit(is_="==", value=0))]}
    shop.release(shop.stack("1", proven=[shop.record(version) for version in proven]))
    walked = world["shop-canary-ladder"].inputs["rollout"]
    assert [step["weight"] for step in walked["ladder"]["steps"]] == [100]
    assert {check["name"] for check in walked["checks"]} == {"web is well", "api is well"}


def test_record(shop: Shop, world: World):
    """What is written down is enough to declare the release again, with the approvals it has spent and the doors to go back to."""
    one = shop.record("1")
    given = [
        {"release": "RELEASE", "by": "Ada", "role": "manager", "nonce": "n1"},
        {"release": "other", "by": "Ada", "role": "manager", "nonce": "n2"},
    ]
    id = shop.stack("2").settings.release.id
    given[0]["release"] = id
    shop.release(shop.stack("2", proven=[one], rollout={"approvals": {"given": given}}))
    inputs = world["shop-record"].inputs
    record = inputs["record"]
    assert (record["id"], record["version"], record["kind"], record["approvals"]) == (id, "2", "minor", ["n1"])
    assert {Spec.parse(built["spec"]).name for built in record["services"].values()} == {shop.name("web", "2"), shop.name("api", "2")}
    assert inputs["previous"] == [one.text]
    assert by(inputs["fallback"]["routes"]) == by(routes(shop, "1", None))


def test_notice(shop: Shop, world: World):
    """People are told that a release begins, and which one is proven, and where."""
    release = shop.release(shop.stack("2"))
    assert world["shop-announcement"].inputs["text"] == f"{release.plan.release} begins on production"
    assert "shop-preflight" in after(world, "shop-announcement")
    states = [world[f"shop-{role}"].inputs["fields"]["state"] for role in ("announcement", "notice")]
    assert (states, world["shop-notice"].inputs["fields"]["stack"]) == (["begun", "proven"], "production")
    assert world["shop-notice"].inputs["text"] == f"{release.plan.release} is live and proven on production"


def test_outputs(shop: Shop, world: World):
    """What other stacks may read is registered, without a user, a passfile, or a secret."""
    shop.release(shop.stack("2"))
    told = world.outputs["shop"]
    assert Terms.parse(told.pop("terms")).things["endpoints.api"] == "/api/"
    assert told == {
        "contract": 1,
        "url": "http://door",
        "endpoints": {"web": "http://door/web/", "api": "http://door/api/"},
        "live": {"id": "r", "at": "2025-11-27T12:00:00Z"},
        "proven": ["release r"],
        "flags": "/flags.json",
        "journal": "/journal.jsonl",
        "databases": {"shop": {"host": "127.0.0.1", "port": 5432, "dbname": "shop"}},
        "held": {},
        "marks": {
            "release": "r",
            "since": "2025-11-27T12:00:00Z",
            "due": [
                {"name": "30m", "due_at": "2025-11-27T12:30:00Z"},
                {"name": "1h", "due_at": "2025-11-27T13:00:00Z"},
                {"name": "1d", "due_at": "2025-11-28T12:00:00Z"},
            ],
            "next": {"name": "30m", "due_at": "2025-11-27T12:30:00Z"},
            "passed": {},
        },
    }


HELD = {"release": "2-aaaaaa", "weight": 10, "since": "2025-11-27T12:00:00Z", "until": "2025-11-28T12:00:00Z"}


def test_held_on_the_way(shop: Shop, world: World):
    """An update that ends on the way says how far and for how long to the canary, asks before for the keeper, and lets all that comes
    after the canary rest; people and other stacks are told where it is held."""
    world.held.update(HELD)
    shop.more = {"migrations": {"shop": str(shop.app)}}
    live = shop.record("1")
    shop.release(shop.stack("2", proven=[live], rollout={"until": 10, "hold": "12h", "heartbeat": "5s"}))
    walked = world["shop-canary-ladder"].inputs["rollout"]
    assert (walked["until"], walked["hold"], walked["heartbeat"]) == (10, 43200, 5)
    assert world["shop-baseline"].inputs["until"] == 10
    resting = {one.name for one in world.asked if "held" in one.inputs}
    assert resting == {"shop-restore-after-swap", "shop-front-journeys", "shop-settle-run", "shop-record"}
    assert all(world[name].inputs["held"] == HELD for name in resting)
    assert world["shop-record"].inputs["previous"] == [live.text]
    text = "2-aaaaaa is held at 10 % on production, unproven, until 2025-11-28T12:00:00Z"
    assert world["shop-notice"].inputs["text"] == text
    assert f"{text}: `sluice promote` goes on, `sluice abort` goes back" in world.said
    assert world.outputs["shop"]["held"] == HELD


def test_whole(shop: Shop, world: World):
    """A release that has leave to go all the way is not held where others are; the leave of another one is none."""
    live, id = shop.record("1"), shop.stack("2").settings.release.id
    world.held.update(HELD)
    for release, until in ((id, 100), ("1-abc", 10)):
        leave = {"release": release, "by": "ada", "nonce": "n1", "whole": True}
        shop.release(shop.stack("2", proven=[live], rollout={"until": 10, "permissions": [leave]}))
        assert world["shop-canary-ladder"].inputs["rollout"].get("until", 100) == until


def test_held_until_nothing(shop: Shop, world: World):
    """A release that goes all the way gives its steps nothing to rest for, and a settled one says that nothing is held."""
    live = shop.record("1")
    shop.release(shop.stack("2", proven=[live]))
    assert [one.name for one in world.asked if "held" in one.inputs or "until" in one.inputs] == []
    world.held.update(HELD)
    shop.release(shop.stack("1", proven=[live]))
    assert world.outputs["shop"]["held"] == {}


def test_marks_of_the_live_release_while_another_is_held(shop: Shop, world: World):
    """What the live release has passed stays so while another one is held beside it."""
    world.held.update(HELD)
    live = shop.record("1")
    passed = {"30m": "2025-11-27T12:31:00Z"}
    told = {"release": live.id, "since": "2025-11-27T12:00:00Z", "passed": passed}
    shop.release(replace(shop.stack("2", proven=[live], rollout={"until": 10}), marks=told))
    # The record of tests calls another release live.
    assert world.outputs["shop"]["marks"]["passed"] == passed
    assert "marks" not in json.loads(world["shop-record"].inputs["previous"][0].removeprefix("release "))


def test_options_reach_every_child(shop: Shop, world: World):
    """What a program says of a release holds for all below it."""
    shop.release(shop.stack("2", proven=[shop.record("1")]), opts=pulumi.ResourceOptions(protect=True))
    assert {one.name for one in world.asked if not one.protect} == set()


def test_a_removed_service(shop: Shop, world: World):
    """A service that is not released any more stays declared and routed until the release without it is proven."""
    before = shop.record("1")
    shop.services = {"web"}
    shop.release(shop.stack("2", proven=[before]))
    gone = next(built.name for built in before.services.values() if built.name.startswith("api"))
    assert world[gone].ignored == ["*"]
    assert by(world["shop-canary-ladder"].inputs["rollout"]["routes"])["api"]["live"] == gone
    assert set(world.outputs["shop"]["endpoints"]) == {"web"}


def refused(shop: Shop, stack: Stack, **runtime: Any) -> str:
    with pytest.raises(pulumi.RunError) as caught:
        shop.release(stack, runtime=Runtime(**runtime))
    assert [one.name for one in shop.world.asked] in ([], ["shop"]), "nothing is declared but the release itself"
    return str(caught.value)


def test_a_service_that_needs_another(shop: Shop, world: World):
    """It waits for the other's version of its release, has its address, and is another version where that one is."""
    shop.needs = {"web": ["api"]}
    shop.release(shop.stack("1.1.0", proven=[shop.record("1.0.0")]))
    web = next(one for one in world.asked if one.name.startswith("web@1.1.0") and one.type == "test:index:Service")
    api = shop.name("api", "1.1.0")
    assert web.inputs["env"]["API_URL"] == "http://api-1.1.0"
    assert {api, f"{api}-guard"} & set(web.after)
    assert web.name != shop.name("web", "1.1.0")
    old = next(one for one in world.asked if one.name == shop.name("web", "1.0.0"))
    assert "API_URL" not in old.inputs["env"]


@pytest.mark.parametrize(
    ("needs", "why"),
    [
        ({"web": ["db"]}, "service 'web': needs 'db', which is none of web, api"),
        (
            {"web": ["api"], "api": ["web"]},
            "services 'web', 'api': each waits for another of them (needs), so that none could be the first",
        ),
        ({"web": ["web"]}, "services 'web': each waits for another of them (needs), so that none could be the first"),
    ],
)
def test_needs_that_cannot_be_met(shop: Shop, needs: dict[str, list[str]], why: str):
    """Services that could never start are refused before anything is declared."""
    shop.needs = needs
    with pytest.raises(pulumi.RunError) as refused:
        shop.release(shop.stack("1.0.0"))
    assert str(refused.value) == why


def test_more_replicas_than_can_run(shop: Shop):
    """Replicas that the runtime cannot run are refused in preview, before anything is declared."""
    stack = shop.stack("2", services={"web": {"replicas": 3}})
    assert refused(shop, stack, replicas=1) == "sluice:release.services.web.replicas: 3 of one version, this runtime runs at most 1"


def test_no_keeper_to_hold_it(shop: Shop):
    """A runtime without a keeper refuses an update that would end on the way, in preview, before anything is declared."""
    stack = shop.stack("2", proven=[shop.record("1")], rollout={"until": 10})
    needs = "sluice:rollout.until: to hold at 10 % needs a keeper, which this runtime does not have"
    assert refused(shop, stack, keeper=False) == f"{needs}; run: pulumi config set --path sluice:rollout.until 100"


def test_what_its_keeper_cannot_ask(shop: Shop, world: World, monkeypatch: pytest.MonkeyPatch):
    """What a keeper cannot ask from where it is, preview names before anything is touched; it is left out of what the keeper is given, and
    of nothing else."""
    world.held.update(HELD)
    warned: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, *more: warned.append(text))
    runtime = Runtime()
    runtime.unkept = ("process.", "logs.")
    errors = Limit(is_="<=", value=0.01)
    shop.more = {"watch": lambda version: [Check(name=f"{version.name}: log", ask="logs.ratio", of={"path": version.log}, limit=errors)]}
    stack = shop.stack("2", proven=[shop.record("1")], rollout={"until": 10})
    shop.release(stack, runtime=runtime)
    told = ", ".join(f"{service}: memory, {shop.name(service, '2')}: log" for service in ("web", "api"))
    held = f"while {stack.settings.release.id} is held at 10 %, its keeper cannot ask: {told}"
    assert warned == [f"{held}; they are judged by this update alone, until it ends"]
    given = world["shop-canary-ladder"].inputs["rollout"]
    absent = [one for one in given["checks"] if one not in given["kept"]]
    assert sorted(one["ask"] for one in absent) == ["logs.ratio", "logs.ratio", "process.memory", "process.memory"]
    assert [one for one in given["kept"] if one not in given["checks"]] == []


def test_a_keeper_that_asks_as_everybody(shop: Shop, world: World):
    """Where a keeper can ask all, it is given no checks of its own; and one that holds nothing is not either."""
    world.held.update(HELD)
    for until in (10, 100):
        world.asked.clear()
        shop.release(shop.stack("2", proven=[shop.record("1")], rollout={"until": until}))
        assert "kept" not in world["shop-canary-ladder"].inputs["rollout"]


def test_steps_that_cannot_be_expressed(shop: Shop):
    """Steps that the replicas cannot express are refused in preview, for each service with the possible ones."""
    stack = shop.stack("2", proven=[shop.record("1")], services={"web": {"replicas": 2}}, rollout={"ladder": [10, 50, 100]})
    assert refused(shop, stack, weights=weights) == (
        "sluice:rollout.ladder: 'web' with 2 replicas cannot have 10 % of the traffic: possible are 50, 100\n"
        "sluice:rollout.ladder: 'api' with 1 replicas cannot have 10 %, 50 % of the traffic: possible are 100"
    )


def test_a_changed_program_under_a_proven_release(shop: Shop):
    """Other content under the id that is live is refused: it would run without ever being proven."""
    before = shop.record("1")
    old = {service: shop.name(service, "1") for service in ("web", "api")}
    stack = shop.stack("1", proven=[before])
    (shop.app / "web.py").write_text("print('changed')\n")
    from sluice.components import service

    service._digest.cache_clear()
    new = {service: shop.name(service, "1") for service in ("web", "api")}
    assert refused(shop, stack) == (
        f"sluice:release.version: '{stack.settings.release.id}' is live as {old['api']}, {old['web']}, "
        f"and the program now declares {new['api']}, {new['web']}: give it another version, or take the change back"
    )


def test_the_door_of_a_version(shop: Shop, world: World):
    """Descriptors reach the program's own checks as values."""
    seen: list[Version] = []
    shop.more = {"watch": lambda version: seen.append(version) or []}
    shop.release(shop.stack("2", proven=[shop.record("1", at=NOON - timedelta(days=9))]))
    assert {version.url for version in seen} == {"http://web-2", "http://api-2"}


def live(shop: Shop, world: World, minutes: float, *, passed: dict[str, str] | None = None, **more: Any) -> Release:
    """Declare release 2, live for some minutes, with release 1 before it; return it."""
    two = shop.record("2", at=NOON - timedelta(minutes=minutes))
    output = {"release": two.id, "since": two.shown["at"], "passed": passed or {}}
    stack = shop.stack("2", proven=[two, shop.record("1", at=NOON - timedelta(days=9))], **more)
    return shop.release(replace(stack, marks=output))


def test_no_mark_is_due(shop: Shop, world: World):
    """Before its first mark, a live release is asked nothing, and its marks are one small resource."""
    release = live(shop, world, 29)
    own = {**OWN, "release": release.plan.release, "settled": True}
    assert world["shop-mark"].inputs == {**own, "passed": {}, "due": []}
    assert world.said == []


def test_a_mark_that_is_due(shop: Shop, world: World):
    """Of due marks the live versions are asked what a canary is, with the marks' limits and nothing that compares; a team adds more."""
    asked: list[At] = []
    own = Check(name="own", ask="logs.count", of={"path": "/log"}, limit=Limit(is_="<=", value=0))
    shop.more = {"marks": lambda at: asked.append(at) or [own], "journeys": [{"name": "home", "steps": []}]}
    release = live(
        shop, world, 61, rollout={"patience": "2m", "marks": [{"after": "30m", "error_rate": "2%"}, {"after": "1h", "smoke": True}]}
    )
    given = dict(world["shop-mark"].inputs)
    checks = {check["name"]: check for check in given.pop("checks")}
    assert {name: checks[name]["limit"]["value"] for name in ("web: error rate", "api: p95", "web: memory", "own")} == {
        "web: error rate": 0.01,
        "api: p95": 2,
        "web: memory": 0.85,
        "own": 0,
    }
    assert {"web is well", "api is well"} <= set(checks)
    assert not [name for name in checks if "against live" in name]
    store = {"host": "127.0.0.1", "port": 5432, "user": "sluice", "passfile": "/pass", "dbname": "shop"}
    assert {version["url"] for version in given.pop("versions")} == {"http://web-2", "http://api-2"}
    assert by(given.pop("split")["routes"]) == by(routes(shop, "2", None))
    smoke = {"journeys": [{"name": "home", "steps": []}], "databases": {"shop": store}, "deadline": 180}
    one = shop.stack("1").settings.release.id
    assert given == {
        **RUNS,
        "release": release.plan.release,
        "settled": True,
        "moment": "mark",
        "passed": {},
        "due": ["30m", "1h"],
        "window": 60,
        "patience": 120,
        "smoke": {**smoke, "targets": {"web": "http://door", "api": "http://door"}},
        "back": (
            f"{release.plan.release} stays live and the mark stays due; back to {one}: pulumi config set --path sluice:release.version 1 "
            "--stack production, and the rest of its sluice:release, then: pulumi up --stack production"
        ),
    }
    (at,) = {id(one): one for one in asked}.values()
    assert (at.after, set(at.versions), at.databases) == (3600, {"web", "api"}, {"shop": store})
    assert world.said == [
        f"marks of {release.plan.release} that are due: 30m (since 2025-11-27T11:29:00Z), 1h (since 2025-11-27T11:59:00Z): "
        "errors at most 1.0 %, latency at most 2.00 s over 1m, smoke tests"
    ]


def test_what_a_mark_has_seen(shop: Shop, world: World):
    """The output says on what evidence the last marks were passed, where there is some."""
    live(shop, world, 61)
    assert world.outputs["shop"]["marks"]["seen"] == ["web is well: 200"]
    live(shop, world, 29)
    assert "seen" not in world.outputs["shop"]["marks"]


def test_a_passed_mark(shop: Shop, world: World):
    """What has been passed stays passed, and the next one is told."""
    live(shop, world, 59, passed={"30m": "2025-11-27T11:40:00Z"})
    assert (world["shop-mark"].inputs["due"], world["shop-mark"].inputs["passed"]) == ([], {"30m": "2025-11-27T11:40:00Z"})


def test_marks_wait_for_all_repair(shop: Shop, world: World):
    """Whatever an update mends is mended before a mark can end it."""
    assert live(shop, world, 31).plan.settled
    waited = {"shop-mark"}
    while more := {name for one in waited for name in after(world, one)} - waited:
        waited |= more
    assert {"shop-record", "shop-canary-ladder", "shop-front", "shop-database-server"} <= waited
    assert {shop.name(service, version) for service in ("web", "api") for version in "12"} <= waited


def test_a_mark_waits_for_flags(shop: Shop, world: World):
    """A kill switch is thrown before a mark is asked."""
    shop.release(shop.stack("2", proven=[shop.record("1")], flags={"beta": False}))
    assert "shop-flag-beta-switch" in after(world, "shop-mark")


def test_marks_that_another_release_makes_void(shop: Shop, world: World):
    """A release before the marks of the live one were passed says so, has none due itself, and keeps what was passed in the record."""
    one = shop.record("1", at=NOON - timedelta(hours=2))
    output = {"release": one.id, "since": one.shown["at"], "passed": {"30m": "2025-11-27T10:31:00Z"}}
    release = shop.release(replace(shop.stack("2", proven=[one]), marks=output))
    assert f"\n  marks: {one.id} has not passed 1h, 1d; once this release is live nobody asks for them" in text(release.plan)
    assert (world["shop-mark"].inputs["due"], world["shop-mark"].inputs["passed"]) == ([], {})
    (kept,) = world["shop-record"].inputs["previous"]
    assert Record.parse(kept).marks == {"30m": datetime(2025, 11, 27, 10, 31, tzinfo=UTC)}
