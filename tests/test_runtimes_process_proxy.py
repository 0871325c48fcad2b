"""The front door: a real Envoy."""

import json
import socket

import httpx
import pytest

from sluice.core.commands import envoy_proxy as say
from sluice.core.split import Route
from sluice.runtimes.process import cluster, ports
from sluice.runtimes.process.program import ProgramProvider
from sluice.runtimes.process.proxy import ProxyProvider
from sluice.systems import envoy, files
from sluice.systems.splits.envoy import EnvoySplit
from tests.fixtures.front import wait

pytestmark = pytest.mark.embedded
provider = ProxyProvider()
NAME = "web@1.0-aaaa"


def props(stack):
    return {"name": "front", "root": str(stack.folder.root)}


def give(split, live) -> None:
    """Give all traffic to a version, and wait until Envoy follows."""
    door = EnvoySplit(split["folder"], split["admin"], split["route"])
    share = door.take("test", [Route(service="web", prefix="/", live=live)])
    assert door.confirm(share, 5)


def test_closed(stack):
    """Before anybody has traffic the door answers 503; its admin socket is for its own user alone."""
    outs = stack.front()
    assert httpx.get(f"{outs['url']}/x").status_code == 503
    assert stack.folder.admin.stat().st_mode & 0o777 == 0o600
    wanted = {"kind": "envoy", "folder": str(stack.folder.front), "admin": str(stack.folder.admin), "route": "front"}
    assert outs["split"] == wanted


def test_version(stack):
    """A version is known to Envoy when its create returns, and gets requests once it has weight; the log says who answered."""
    split = stack.front()["split"]
    stack.run(front=split)
    assert envoy.stats(split["admin"], rf"^cluster\.{NAME}\.membership_healthy$")[0]["value"] == 1
    give(split, NAME)
    url = f"http://127.0.0.1:{ports.known(stack.folder)['front']}"
    assert httpx.post(f"{url}/x?y=1", content=b"z").headers["x-version"] == "1.0"
    log = stack.folder.log("access")
    wait(lambda: log.exists() and "/x" in log.read_text())
    line = json.loads(log.read_text().splitlines()[-1])
    seen = {key: line[key] for key in ("method", "path", "status", "cluster", "version", "flags")}
    assert seen == {"method": "POST", "path": "/x?y=1", "status": 200, "cluster": NAME, "version": "1.0", "flags": "-"}
    assert line["time"][-5:-1].startswith(".")
    assert "." in line["time"]


def test_latency_buckets(stack):
    """Latencies are counted in steps of a third."""
    split = stack.front()["split"]
    stack.run(front=split)
    give(split, NAME)
    httpx.get(f"http://127.0.0.1:{ports.known(stack.folder)['front']}/x")
    wait(lambda: envoy.figures(split["admin"], [NAME])[NAME].latency.total >= 1)
    bounds = [bound for bound, _ in envoy.figures(split["admin"], [NAME])[NAME].latency.bins]
    assert bounds[: len(say.BUCKETS)] == pytest.approx([bucket / 1000 for bucket in say.BUCKETS], rel=0.01)


def test_killed(stack):
    """An Envoy that died is started again on its port with the routes and versions it had."""
    outs = stack.front()
    stack.run(front=outs["split"])
    give(outs["split"], NAME)
    stack.kill("front")
    assert provider.update("front", outs, props(stack)).outs == outs
    assert httpx.get(outs["url"]).headers["x-version"] == "1.0"


def test_diff(stack):
    """A door that is there is no change, a shut-down one is."""
    outs = stack.front()
    assert not provider.diff("front", outs, props(stack)).changes
    stack.folder.pidfile("front").unlink()
    assert provider.diff("front", outs, props(stack)).changes


def test_moved(stack):
    """A version that comes back on another port is found there."""
    split = stack.front()["split"]
    outs = stack.run(front=split)
    give(split, NAME)
    front = f"http://127.0.0.1:{ports.known(stack.folder)['front']}"
    ProgramProvider().delete(NAME, outs)
    assert httpx.get(front).status_code == 503
    with socket.create_server(("127.0.0.1", int(outs["descriptor"]["url"].rpartition(":")[2]))):
        assert stack.run(front=split)["descriptor"]["url"] != outs["descriptor"]["url"]
    assert httpx.get(front).headers["x-version"] == "1.0"


def test_unregister(stack):
    """A version that is deleted is forgotten by Envoy; twice is fine, also without the proxy's folder."""
    split = stack.front()["split"]
    stack.run(front=split)
    cluster.unregister(split, NAME)
    cluster.unregister(split, NAME)
    cluster.unregister({"folder": "/nowhere", "admin": ""}, NAME)
    wait(lambda: envoy.stats(split["admin"], rf"^cluster\.{NAME}\.membership_total$") == [])
    assert files.read(stack.folder.front / "cds.json")["resources"] == []


def test_delete(stack):
    """Nothing of the door is left; twice is fine."""
    outs = stack.front()
    provider.delete("front", outs)
    provider.delete("front", outs)
    assert not stack.folder.front.exists()
    assert ports.known(stack.folder) == {}
