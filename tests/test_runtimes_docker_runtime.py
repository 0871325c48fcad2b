"""What the docker runtime asks of the providers, to the letter: no engine and no plugin is needed to know it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime import rpc

from sluice.core.check import Check, Limit
from sluice.core.requirement import Requirement
from sluice.runtimes.docker.ports import choose
from sluice.runtimes.docker.runtime import Docker
from sluice.runtimes.port import Runtime, Spec
from sluice.systems import docker
from sluice.systems.keeper.file import FORMAT
from tests.fixtures.mock import Asked, Thing, World

HERE = Path(__file__).parent / "toy"
IMAGE = "shop/web@sha256:" + "0" * 64
# What every version is told.
OWN = ["HOST=0.0.0.0", "PGAPPNAME=web@1.0-3fa2", "PORT=8080", "VERSION=1.0"]
SPEC = Spec(
    name="web@1.0-3fa2",
    service="web",
    version="1.0",
    artifact=str(HERE),
    digest="a" * 64,
    argv=["python", "service.py", "--port", "{port}"],
    env={"ADDRESS": "http://me:{port}"},
    memory=100 * 2**20 + 1,
    cpu=1.5,
    grace=7.5,
)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    """A local engine with the containers that a test puts into what this returns, by their labels."""
    found: dict[str, dict[str, str]] = {}
    monkeypatch.setattr(docker, "host", lambda: "unix:///var/run/docker.sock")
    monkeypatch.setattr(docker, "astray", lambda: "")
    monkeypatch.setattr(docker, "listed", lambda stack: found)
    monkeypatch.setattr(docker, "published", dict)
    monkeypatch.setattr("sluice.runtimes.docker.ports.free", lambda port: True)
    return found


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SLUICE_HOME", str(tmp_path))
    return tmp_path / "shop-production"


def made() -> Docker:
    return Docker(image="sluice:1")


def declared(world: World, *specs: Spec, opts: pulumi.ResourceOptions | None = None) -> None:
    """Declare versions behind a door."""

    def program() -> None:
        runtime = made()
        door = runtime.front("front")
        for spec in specs:
            runtime.service(spec, front=door, opts=opts)

    world.run(program)


def port(one: Asked) -> int:
    return int(one.inputs["ports"][0]["external"])


def plain(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs without what nobody said."""
    return {name: value for name, value in inputs.items() if value is not None}


def hidden(value: Any) -> dict[str, Any]:
    """Return a secret as the engine is told it."""
    return {rpc._special_sig_key: rpc._special_secret_sig, "value": value}


def container(world: World, name: str) -> Asked:
    return next(one for one in world.asked if one.name == name and one.type == "docker:index/container:Container")


def test_port(world: World, engine: Any):
    """It is a runtime of the port."""

    def program() -> None:
        runtime: Runtime = made()
        assert (runtime.replicas, runtime.keeper, runtime.weights(1)) == (1, True, None)

    world.run(program)


def test_tree(world: World, engine: Any):
    """What there is for a version behind a door, and what each waits for."""
    declared(world, SPEC)
    assert sorted((one.name, one.type.rpartition(":")[2], one.after) for one in world.asked) == [
        ("front", "Container", ["front-files", "host", "host-image", "host-net"]),
        ("front-files", "Volume", []),
        ("front-healthy", "Healthy", ["front"]),
        ("host", "Place", []),
        ("host-image", "RemoteImage", []),
        ("host-net", "Network", ["host"]),
        ("web@1.0-3fa2", "Artifact", ["host"]),
        ("web@1.0-3fa2", "Container", ["host", "host-net", "web@1.0-3fa2-image", "web@1.0-3fa2-size"]),
        ("web@1.0-3fa2-door", "Command", ["front-healthy", "web@1.0-3fa2-healthy"]),
        ("web@1.0-3fa2-healthy", "Healthy", ["web@1.0-3fa2"]),
        ("web@1.0-3fa2-image", "RemoteImage", ["host-image", "web@1.0-3fa2"]),
        ("web@1.0-3fa2-size", "Size", ["web@1.0-3fa2-image"]),
    ]


def test_version(world: World, engine: Any, home: Path):
    """A version's container, every input of it."""
    declared(world, SPEC)
    one = container(world, SPEC.name)
    assert plain(one.inputs) == {
        "name": "shop-production-web-1.0-3fa2",
        "image": "sha256:sluice/shop-production-web:aaaaaaaaaaaa",
        "entrypoints": ["python", "service.py", "--port", "8080"],
        "envs": ["ADDRESS=http://me:8080", *OWN],
        "ports": [{"internal": 8080, "external": port(one), "ip": "127.0.0.1"}],
        "networksAdvanced": [{"name": "shop-production-net"}],
        "volumes": [
            {"hostPath": f"{home}/flags", "containerPath": f"{home}/flags", "readOnly": True},
            {"hostPath": f"{home}/secrets", "containerPath": f"{home}/secrets", "readOnly": True},
        ],
        "labels": [
            {"label": "sluice.stack", "value": "shop-production"},
            {"label": "sluice.name", "value": "web@1.0-3fa2"},
            {"label": "sluice.port", "value": str(port(one))},
        ],
        "memory": 101,
        "memorySwap": 101,
        "cpus": "1.5",
        "init": True,
        "restart": "always",
        "mustRun": True,
        "destroyGraceSeconds": 8,
        "stopTimeout": 8,
        "logDriver": "json-file",
        "logOpts": {"max-size": "50m", "max-file": "3"},
    }
    assert 20_000 <= port(one) < 30_000


def test_healthy(world: World, engine: Any):
    """What is waited for, and what is known of a version from then on."""
    declared(world, SPEC)
    inputs = world[f"{SPEC.name}-healthy"].inputs
    url = f"http://127.0.0.1:{port(container(world, SPEC.name))}"
    assert json.loads(inputs["spec"]) == {
        "name": "web@1.0-3fa2",
        "container": "shop-production-web-1.0-3fa2",
        "port": port(container(world, SPEC.name)),
        "health": "/health",
        "ask": [],
        "known": {
            "service": "web", "version": "1.0", "name": "web@1.0-3fa2", "url": url, "application": "web@1.0-3fa2",
            "log": "docker:shop-production-web-1.0-3fa2", "pidfile": "docker:shop-production-web-1.0-3fa2",
            "memory": 100 * 2**20 + 1, "cpu": 1.5,
        },
        "ready": 30.0,
        "grace": 7.5,
    }  # fmt: skip
    # With the mocks a resource's id is its name.
    assert inputs["identity"] == SPEC.name


def test_door(world: World, engine: Any):
    """The door learns of a version by its name on the stack's network, and forgets it even when it is gone itself."""
    declared(world, SPEC)
    inside = "docker exec -i shop-production-front python -m sluice.runtimes.docker.inside"
    assert plain(world[f"{SPEC.name}-door"].inputs) == {
        "create": f"{inside} register web@1.0-3fa2 shop-production-web-1.0-3fa2 8080",
        "delete": f"{inside} unregister web@1.0-3fa2 || ! docker inspect shop-production-front > /dev/null 2>&1",
        "addPreviousOutputInEnv": False,
    }


@pytest.mark.parametrize(("health", "address"), [("/health", "http://shop-production-web-1.0-3fa2:8080"), ("", "")])
def test_address(world: World, engine: Any, health: str, address: str):
    """Other versions call one by its name on the stack's network, where the machine that deploys is not."""
    told: list[str] = []

    def program() -> None:
        made().service(Spec(**{**vars(SPEC), "health": health})).url.apply(told.append)

    world.run(program)
    assert told == [address]


def test_front(world: World, engine: Any, home: Path):
    """The door's container has its files in a volume, and its split names the command that reaches them."""
    told: dict[str, Any] = {}

    def program() -> None:
        door = made().front("front")
        pulumi.Output.all(split=door.split, url=door.url).apply(told.update)

    world.run(program)
    one = world["front"]
    assert (one.inputs["volumes"], one.inputs["entrypoints"]) == (
        [
            {"hostPath": f"{home}/secrets", "containerPath": f"{home}/secrets", "readOnly": True},
            {"volumeName": "shop-production-front-files", "containerPath": "/front"},
        ],
        ["python", "-m", "sluice.runtimes.docker.inside", "serve"],
    )
    asked = ["python", "-m", "sluice.runtimes.docker.inside", "ready", str(FORMAT)]
    assert json.loads(world["front-healthy"].inputs["spec"])["ask"] == asked
    assert told == {
        "split": {
            "kind": "envoy", "folder": "/front", "admin": "/front/admin.sock", "route": "front",
            "through": ["docker", "exec", "-i", "shop-production-front"],
        },
        "url": f"http://127.0.0.1:{port(one)}",
    }  # fmt: skip


def test_within(world: World, engine: Any, home: Path):
    """The keeper asks versions, databases and its own door by their names on the stack's network, and cannot ask the engine."""
    asked: list[Any] = []

    def program() -> None:
        runtime = made()
        door = runtime.front("front")
        runtime.service(SPEC, front=door)
        runtime.database("store", databases=["shop"])
        limit = Limit(is_="==", value=1)
        for name in (SPEC.name, "front"):
            url = f"http://127.0.0.1:{runtime.ground.port(name)}/a"
            asked.append(runtime.kept(Check(name=name, ask="http.status", of={"url": url}, limit=limit)))
        store = {"host": "127.0.0.1", "port": runtime.ground.port("store"), "user": "sluice", "dbname": "shop"}
        of = {**store, "passfile": f"{home}/secrets/store.pgpass"}
        asked.append(runtime.kept(Check(name="store", ask="sql.connections", of=of, limit=limit)))
        asked.append(runtime.kept(Check(name="log", ask="logs.count", of={"path": "docker:x"}, limit=limit)))

    world.run(program)
    web, front, store, log = asked
    assert (web.of, front.of) == ({"url": "http://shop-production-web-1.0-3fa2:8080/a"}, {"url": "http://shop-production-front:8080/a"})
    assert (store.of["host"], store.of["port"], store.of["passfile"]) == ("shop-production-store", 5432, f"{home}/secrets/store.pgpass")
    assert log is None


def test_beside(world: World, engine: Any):
    """Trap: a container is deleted before its replacement is there. Two versions are two resources: the old one is not touched."""
    declared(world, SPEC, Spec(**{**vars(SPEC), "name": "web@1.1-77aa", "version": "1.1"}))
    both = [container(world, name) for name in ("web@1.0-3fa2", "web@1.1-77aa")]
    assert [one.options["delete_before_replace"] for one in both] == [True, True]
    assert len({one.inputs["name"] for one in both}) == len({port(one) for one in both}) == 2


def test_forgotten(world: World, engine: Any):
    """Trap: a failed `wait` is forgotten, and so is a create that failed. Nothing waits there; and whatever is other is made anew."""
    declared(world, SPEC)
    for one in (container(world, name) for name in ("front", SPEC.name)):
        assert not {"wait", "waitTimeout", "healthcheck"} & set(plain(one.inputs))
        assert one.options["replace_on_changes"] == ["*"]


def test_attached(world: World, engine: Any):
    """Trap: `attach` ignores the exit code. No container is attached to; a job is a resource of its own that fails with its command."""

    def program() -> None:
        runtime = made()
        runtime.service(SPEC, front=runtime.front("front"))
        runtime.database("store", databases=["shop"])
        runtime.job("migrate", argv=["sh", "-c", "true"], folder=str(HERE), env={"A": "1"}, secrets={"TOKEN": "hunter2"}, run="r1")

    world.run(program)
    containers = [one.name for one in world.asked if one.type.endswith(":Container")]
    assert sorted(containers) == ["front", "store", SPEC.name]
    assert [one.name for one in world.asked if {"attach", "logs"} & set(plain(one.inputs))] == []
    assert plain(world["migrate"].inputs) == {
        "name": "migrate",
        "container": "shop-production-migrate",
        "root": world["host"].inputs["root"],
        "image": "sha256:sluice:1",
        "network": "shop-production-net",
        "labels": {"sluice.stack": "shop-production", "sluice.name": "migrate"},
        "argv": ["sh", "-c", "true"],
        "folder": str(HERE),
        "env": {"A": "1"},
        "secrets": hidden({"TOKEN": "hunter2"}),
        "deadline": 600.0,
        "run": "r1",
    }


def test_grace(world: World, engine: Any):
    """Trap: a container without a grace is killed. Every one has what its version needs to end, in whole seconds, never none."""
    declared(world, SPEC, Spec(**{**vars(SPEC), "name": "web@1.1-77aa", "grace": 0.0}))
    assert [container(world, name).inputs["destroyGraceSeconds"] for name in (SPEC.name, "web@1.1-77aa", "front")] == [8, 1, 15]


@pytest.mark.parametrize(("cpu", "told"), [(1, "1.0"), (2.0, "2.0"), (0.25, "0.25"), (1 / 3, "0.333"), (0, None)])
def test_cpu(world: World, engine: Any, cpu: float, told: str | None):
    """Cores are written as the provider reads them back: it compares texts, and "1" against "1.0" would be another container."""
    declared(world, Spec(**{**vars(SPEC), "cpu": cpu}))
    assert container(world, SPEC.name).inputs.get("cpus") == told


def test_room(world: World, engine: Any):
    """Trap: an update that is killed after the engine has made something leaves its name to nobody. Each of them makes room before."""
    declared(world, SPEC)
    made = [one for one in world.asked if one.type.rpartition(":")[2] in ("Container", "Network")]
    assert {one.name: one.options["before_create"] for one in made} == {name: ["host-room"] for name in ("front", "host-net", SPEC.name)}


def test_kept(world: World, engine: Any):
    """Trap: an image goes with the last resource that has it. Every image stays where it is, for the way back."""
    declared(world, SPEC, Spec(**{**vars(SPEC), "name": "web@1.1-77aa", "artifact": IMAGE}))
    images = [one for one in world.asked if one.type.endswith(":RemoteImage")]
    assert sorted((one.inputs["name"], one.inputs["keepLocally"]) for one in images) == [
        (IMAGE, True), ("sluice/shop-production-web:aaaaaaaaaaaa", True), ("sluice:1", True),
    ]  # fmt: skip


def test_checked(world: World, engine: Any):
    """Trap: a changed healthcheck changes nothing. How health is asked is no input of the container, and another way is asked anew."""
    declared(world, SPEC, Spec(**{**vars(SPEC), "name": "web@1.1-77aa", "health": "/up"}))
    assert json.loads(world["web@1.1-77aa-healthy"].inputs["spec"])["health"] == "/up"
    own = ("name", "envs", "ports", "labels")
    both = [plain(container(world, name).inputs) for name in (SPEC.name, "web@1.1-77aa")]
    first, second = ({name: value for name, value in one.items() if name not in own} for one in both)
    assert first == second


def test_image(world: World, engine: Any):
    """An image that is there already runs by its digest, as its own entry point takes it; nothing is built."""
    declared(world, Spec(**{**vars(SPEC), "artifact": IMAGE, "argv": ["--port", "{port}"]}))
    inputs = plain(container(world, SPEC.name).inputs)
    assert (inputs["image"], inputs["command"]) == (f"sha256:{IMAGE}", ["--port", "8080"])
    assert "entrypoints" not in inputs
    assert [one.name for one in world.asked if one.type.endswith(":Artifact")] == []


def test_built(world: World, engine: Any, home: Path):
    """A folder becomes an image that is named by its content, from a copy that nobody changes."""
    declared(world, SPEC)
    assert plain(world[f"{SPEC.name}-image"].inputs) == {
        "name": "sluice/shop-production-web:aaaaaaaaaaaa",
        "build": {"context": "/copy", "dockerfile": "/copy.Dockerfile", "useLegacyBuilder": True},
        "triggers": {"digest": "a" * 64},
        "keepLocally": True,
    }
    (copy,) = [one for one in world.asked if one.type.endswith(":Artifact")]
    assert plain(copy.inputs) == {
        "name": SPEC.name, "root": str(home), "source": str(HERE), "digest": "a" * 64, "base": "sluice:1",
    }  # fmt: skip


@pytest.mark.parametrize(("artifact", "named"), [(str(HERE), "sluice/shop-production-web:aaaaaaaaaaaa"), (IMAGE, IMAGE)])
def test_size(world: World, engine: Any, artifact: str, named: str):
    """Before a version starts its image is looked at, by the name that people know it by: one that was built, and one that came."""
    declared(world, Spec(**{**vars(SPEC), "artifact": artifact}))
    known = {"name": SPEC.name, "image": named, "identity": f"sha256:{named}", "most": 500_000_000}
    assert plain(world[f"{SPEC.name}-size"].inputs) == known


def test_required(world: World, engine: Any):
    """What it needs is known before anything is declared: an engine, and images by digest that are not too large; folders are built."""
    runtime = Docker(image="sluice:1", largest=7)
    assert runtime.requires([str(HERE), IMAGE]) == Requirement(engine="20.10", images={IMAGE: 7})
    assert world.asked == []


def test_secret(world: World, engine: Any):
    """A secret is a variable of the container, and all of its variables are secret then; so is what hides it in an error."""
    declared(world, Spec(**{**vars(SPEC), "secrets": {"TOKEN": "hunter2"}}))
    one = container(world, SPEC.name)
    assert one.inputs["envs"] == hidden(["ADDRESS=http://me:8080", *OWN[:-1], "TOKEN=hunter2", OWN[-1]])
    assert world[f"{SPEC.name}-healthy"].inputs["secrets"] == hidden({"TOKEN": "hunter2"})
    holders = [(one.name, name) for one in world.asked for name, value in one.inputs.items() if "hunter2" in str(value)]
    assert holders == [(SPEC.name, "envs"), (f"{SPEC.name}-healthy", "secrets")]


def test_frozen(world: World, engine: Any):
    """What serves is declared, and nothing of it changes in place: the caller's options reach every part."""

    def program() -> None:
        runtime = made()
        door = runtime.front("front")
        runtime.service(SPEC, front=door, opts=pulumi.ResourceOptions(ignore_changes=["*"], parent=door.resource))

    world.run(program)
    parts = [one for one in world.asked if one.name.startswith(SPEC.name)]
    assert [(one.ignored, one.parent) for one in parts] == [(["*"], "front-healthy")] * 6
    # What serves was let in once, however large the engine finds it.
    assert world[f"{SPEC.name}-size"].inputs["most"] == 0


def test_same_port(world: World, engine: dict[str, dict[str, str]]):
    """A container that is there keeps the port that it has, whatever port its name would give."""
    engine[SPEC.name] = {"sluice.name": SPEC.name, "sluice.port": "23456"}
    declared(world, SPEC)
    assert port(container(world, SPEC.name)) == 23456


def test_worker(world: World, engine: Any):
    """A worker is published nowhere, and no door knows it."""
    declared(world, Spec(**{**vars(SPEC), "health": ""}))
    assert "ports" not in plain(container(world, SPEC.name).inputs)
    assert json.loads(world[f"{SPEC.name}-healthy"].inputs["spec"])["known"]["url"] == ""
    assert f"{SPEC.name}-door" not in world.names


def test_database(world: World, engine: Any, home: Path):
    """A server has its data in a volume that outlives it, its password in a file, and its databases made inside."""
    told: dict[str, Any] = {}

    def program() -> None:
        store = made().database("store", databases=["shop", "users"], connections=42)
        where = pulumi.Output.all(store.host, store.port, store.user, store.passfile, store.tools)
        pulumi.Output.all(env=pulumi.Output.from_input(store.env("shop")), where=where).apply(told.update)

    world.run(program)
    one = container(world, "store")
    inputs = plain(one.inputs)
    assert inputs["command"] == ["postgres", "-c", "max_connections=42", "-c", "listen_addresses=*"]
    assert inputs["envs"] == [
        "PGDATA=/var/lib/postgresql/cluster", "POSTGRES_PASSWORD_FILE=/stack/secrets/store.password", "POSTGRES_USER=sluice",
    ]  # fmt: skip
    assert inputs["ports"] == [{"internal": 5432, "external": port(one), "ip": "127.0.0.1"}]
    assert inputs["volumes"][-1] == {"volumeName": "shop-production-store-data", "containerPath": "/var/lib/postgresql"}
    assert (inputs["image"], inputs["destroyGraceSeconds"]) == ("sha256:postgres:18", 60)
    assert world["store-data"].options == {"retain_on_delete": True}
    assert world["store-data"].after == ["store-password"]
    asked = ["pg_isready", "--quiet", "--host", "127.0.0.1", "--username", "sluice"]
    assert json.loads(world["store-healthy"].inputs["spec"])["ask"] == asked
    assert plain(world["store-databases"].inputs) == {
        "create": "docker exec -i shop-production-store psql -X -q -v ON_ERROR_STOP=1 -U sluice -d postgres",
        "stdin": "".join(
            f"select 'create database {name}' where not exists (select from pg_database where datname = '{name}') \\gexec\n"
            for name in ("shop", "users")
        ),
        "addPreviousOutputInEnv": False,
    }
    assert world["store-databases"].after == ["store-healthy"]
    assert told["where"] == ["127.0.0.1", port(one), "sluice", "/stack/secrets/store.pgpass", "/tools"]
    inside = {"PGHOST": "shop-production-store", "PGPORT": "5432", "PGUSER": "sluice", "PGPASSFILE": "/stack/secrets/store.pgpass"}
    assert told["env"] == {**inside, "PGDATABASE": "shop"}


def test_dropped(world: World, engine: Any):
    """Data that nobody wants to keep goes with its server, and so does the password."""
    world.run(lambda: made().database("store", databases=["shop"], keep=False) and None)
    assert world["store-data"].options == {}
    assert world["store-password"].inputs["keep"] is False


def test_after(world: World, engine: Any):
    """Nothing begins before what the caller names."""

    def program() -> None:
        runtime = made()
        runtime.after(Thing("First", "first", {}, [], None))
        declare(runtime)

    def declare(runtime: Docker) -> None:
        runtime.service(SPEC, front=runtime.front("front"))
        runtime.database("store", databases=["shop"])

    world.run(program)
    waits = {one.name for one in world.asked if "first" in one.after}
    assert waits >= {"host", "host-net", "host-image", "front", "front-files", SPEC.name, "store", "store-data", "store-image"}


@pytest.mark.parametrize("where", ["tcp://build:2376", "ssh://build"])
def test_elsewhere(world: World, engine: Any, monkeypatch: pytest.MonkeyPatch, where: str):
    """An engine on another machine is refused before anything is declared there."""
    monkeypatch.setattr(docker, "host", lambda: where)
    with pytest.raises(pulumi.RunError) as error:
        world.run(lambda: made().front("front") and None)
    assert str(error.value) == (
        f"RuntimeFailed: the engine is at '{where}', and containers would be published on the loopback of its machine, which this one does"
        " not reach; run: pulumi config set --path sluice:runtime.address ADDRESS, one of that machine that few others reach"
    )
    assert world.names == []


def test_astray(world: World, engine: Any, monkeypatch: pytest.MonkeyPatch):
    """A context that the provider does not read is refused before anything is declared on another engine than is asked."""
    monkeypatch.setattr(docker, "astray", lambda: "ssh://build")
    with pytest.raises(pulumi.RunError) as error:
        world.run(lambda: Docker(image="sluice:1", address="10.0.0.5").front("front") and None)
    assert str(error.value) == (
        "RuntimeFailed: docker's context has the engine at 'ssh://build', and Pulumi's provider, which reads no context, would ask another"
        " one; run: export DOCKER_HOST=ssh://build"
    )
    assert world.names == []


def test_far(world: World, engine: Any, home: Path, monkeypatch: pytest.MonkeyPatch):
    """On another machine nothing of this one's files is mounted, all is published on and reached at its address, and ports that other
    stacks have there are left to them."""
    monkeypatch.setattr(docker, "host", lambda: "ssh://build")
    taken: dict[str, dict[str, str]] = {}
    monkeypatch.setattr(docker, "published", lambda: taken)
    told: dict[str, Any] = {}

    def program() -> None:
        runtime = Docker(image="sluice:1", address="10.0.0.5")
        taken["other"] = {"sluice.stack": "other", "sluice.port": str(choose({}, "shop-production", "front", set(), here=False))}
        door = runtime.front("front")
        running = runtime.service(Spec(**{**vars(SPEC), "env": {"SLUICE_FLAGS": runtime.flags}}), front=door)
        store = runtime.database("store", databases=["shop"])
        runtime.job("migrate", argv=["true"], folder=str(HERE))
        pulumi.Output.all(url=door.url, web=running.descriptor, host=store.host, flags=runtime.flags).apply(told.update)
        url = f"http://10.0.0.5:{runtime.ground.port(SPEC.name)}/a"
        kept = runtime.kept(Check(name="web", ask="http.status", of={"url": url}, limit=Limit(is_="==", value=1)))
        told["kept"] = kept.of["url"] if kept else ""

    world.run(program)
    one, front, store = (container(world, name) for name in (SPEC.name, "front", "store"))
    flags, secrets = ({"volumeName": f"shop-production-{part}", "containerPath": f"{home}/{part}"} for part in ("flags", "secrets"))
    read = {"readOnly": True}
    assert one.inputs["volumes"] == [flags | read, secrets | read]
    assert front.inputs["volumes"] == [secrets | read, {"volumeName": "shop-production-front-files", "containerPath": "/front"}, flags]
    assert store.inputs["volumes"][:2] == [flags | read, secrets | read]
    assert [each.inputs["ports"][0]["ip"] for each in (one, front, store)] == ["10.0.0.5"] * 3
    assert port(front) != int(taken["other"]["sluice.port"])
    assert (told["url"], told["host"]) == (f"http://10.0.0.5:{port(front)}", "10.0.0.5")
    assert told["web"]["url"] == f"http://10.0.0.5:{port(one)}"
    assert json.loads(world[f"{SPEC.name}-healthy"].inputs["spec"])["host"] == "10.0.0.5"
    assert told["kept"] == "http://shop-production-web-1.0-3fa2:8080/a"
    assert told["flags"] == f"docker:shop-production-front:{home}/flags/flags.json"
    assert f"SLUICE_FLAGS={home}/flags/flags.json" in one.inputs["envs"]
    where = world["store-password"].inputs
    assert (where["host"], where["far"]) == ("10.0.0.5", {"volume": "shop-production-secrets", "image": "sha256:sluice:1"})
    assert world["migrate"].inputs["far"] == {f"{home}/{part}": f"shop-production-{part}" for part in ("flags", "secrets")}


def test_flags_without_a_door(world: World, engine: Any):
    """Flags on another machine are switched through the door: without one there is no way to them."""
    with pytest.raises(pulumi.RunError) as error:
        world.run(lambda: Docker(image="sluice:1", address="10.0.0.5").flags and None)
    assert str(error.value) == "flags on another machine are switched through the front door, and there is none: declare it first"
