"""What state has of a stack in containers, for the commands that go back, abort, and tell how it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sluice.core.store import Store
from sluice.core.version import Version
from sluice.history.examine import _services
from sluice.history.pulumi import Pulumi
from sluice.history.scene import Scene
from sluice.history.stack import Stack

SPLIT = {"kind": "envoy", "folder": "/front", "admin": "/front/admin.sock", "route": "front", "through": ["docker", "exec", "-i", "front"]}
VERSION = Version(service="web", version="1", name="web@1-aa", url="http://127.0.0.1:1", log="docker:w", pidfile="docker:w")


def healthy(descriptor: dict[str, Any] | None, **spec: Any) -> dict[str, Any]:
    """Return a container that is well, as state has it."""
    outputs = {"spec": json.dumps(spec), "descriptor": descriptor}
    return {"type": "pulumi-python:dynamic/docker:Healthy", "inputs": {"spec": json.dumps(spec)}, "outputs": outputs}


def stack(*resources: dict[str, Any], outputs: dict[str, Any] | None = None) -> Stack:
    own = {"type": "pulumi:pulumi:Stack", "outputs": outputs or {}}
    return Stack(Pulumi(Path(), "dev"), "file:///", {"resources": [own, *resources]}, None, [])


def test_split():
    """The splitter's descriptor is what the door's container was found well with."""
    assert stack(healthy(VERSION.wire()), healthy({"url": "http://127.0.0.1:2", "split": SPLIT})).split == SPLIT
    assert stack(healthy(VERSION.wire()), healthy({})).split is None


def test_running():
    """The versions are those of containers that serve a service, with their health paths; a door and a database are none."""
    found = stack(healthy({}, health=""), healthy({"split": SPLIT}), healthy(VERSION.wire(), health="/health")).running
    assert found == [(VERSION, "/health")]


def test_turn():
    """Of a single service only the version runs whose turn it is, in containers and as a process; of one at rest nobody expects it."""
    rests = {"type": "pulumi-python:dynamic/process:Program", "outputs": {"spec": '{"single": true}', "descriptor": VERSION.wire()}}
    for kind in ("docker", "process"):
        told = {"spec": json.dumps({"health": "/up"}), "descriptor": VERSION.wire()}
        turn = {"type": f"pulumi-python:dynamic/{kind}:Turn", "inputs": {}, "outputs": told}
        assert stack(rests, turn).running == [(VERSION, "/up")]
    assert stack(rests).running == []


def test_stores():
    """Databases are asked over the loopback, with the password's file."""
    where = {"host": "127.0.0.1", "port": 20001, "user": "sluice", "passfile": "/secrets/store.pgpass", "tools": "/tools"}
    passfile = {"type": "pulumi-python:dynamic/docker:Passfile", "inputs": {"name": "store"}, "outputs": {"name": "store", **where}}
    found = stack(passfile, outputs={"databases": {"shop": {}}}).stores
    assert found == {"shop": Store(**where, dbname="shop")}


def test_doctor():
    """Doctor asks a stack in containers for its traffic, its versions, its doors and its keeper: what else there is, is inside of them."""
    known = {"endpoints": {"web": "http://127.0.0.1:2/web/"}}
    seen = stack(healthy({"split": SPLIT}), healthy(VERSION.wire(), health="/health"), outputs=known)
    asked = [(one.area, one.what) for one in _services(Scene(seen, [], long=60.0, limit=1.0))]
    services = ("traffic", "web@1-aa", "web through the door", "keeper", "containers", "envoy", "volumes", "images")
    assert asked == [*(("services", what) for what in services), ("machine", "ports"), ("machine", "engine's disk")]


def made(kind: str, name: str) -> dict[str, Any]:
    return {"type": f"docker:index/{kind}", "inputs": {"name": name}, "outputs": {"name": name}}


def test_made():
    """What the engine is to have is what state has: containers, volumes, and tags of images; what is on its way out is no part of it."""
    gone = {**made("container:Container", "shop-dev-web-0"), "delete": True}
    images = [made("remoteImage:RemoteImage", name) for name in ("sluice/shop-dev-web:aaaaaaaaaaaa", "sluice:1")]
    found = stack(made("container:Container", "shop-dev-web"), gone, made("volume:Volume", "shop-dev-data"), *images)
    assert (found.containers, found.volumes, found.tags) == (["shop-dev-web"], ["shop-dev-data"], ["aaaaaaaaaaaa", "1"])
