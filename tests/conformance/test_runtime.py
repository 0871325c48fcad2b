"""What `runtimes.port` promises, against the real engine: one suite for every runtime."""

import shutil
import time

import httpx
import psycopg
import pytest

from sluice.core.lease import Lease
from sluice.core.split import Route
from sluice.systems import splits
from tests.conformance.harness import HARNESSES, LACKS, SECRET, Harness
from tests.fixtures.front import wait

pytestmark = [
    pytest.mark.engine,
    pytest.mark.embedded,
    pytest.mark.skipif(shutil.which("pulumi") is None, reason="the Pulumi CLI is not on PATH: run `make setup`"),
]


@pytest.fixture(scope="module", params=sorted(HARNESSES))
def runtime(request: pytest.FixtureRequest):
    """A stack with one version, which all tests share; each leaves it as it was."""
    if why := LACKS[request.param]():
        pytest.skip(f"{request.param}: {why}")
    harness: Harness = HARNESSES[request.param]()
    try:
        done = harness.up("web@1.0")
        assert done.code == 0, done.text
        yield harness
    finally:
        harness.close()


def well(harness: Harness, name: str = "web@1.0") -> bool:
    """Say whether a version answers on its own address as itself."""
    return httpx.get(f"{harness.output(name)['url']}/x").headers["x-version"] == name.partition("@")[2]


def ask(store, sql):
    with psycopg.connect(dbname="shop", **store) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


def test_ready(runtime):
    """When `up` returns, a version answers, the database has its databases, and the door is closed."""
    assert well(runtime)
    assert ask(runtime.output("store"), "select 1") == [(1,)]
    assert httpx.get(runtime.output("url")).status_code == 503


def test_steady(runtime):
    """A second `up`, a refresh, and a preview after it change nothing and touch nothing."""
    before = runtime.mark("web@1.0")
    for words in (("up", "-f", "-y"), ("refresh", "-y"), ("preview", "--expect-no-changes")):
        done = runtime.pulumi(*words)
        assert done.code == 0, done.text
        assert "updated" not in done.text
        assert "created" not in done.text
    assert runtime.mark("web@1.0") == before


@pytest.mark.parametrize("kind", HARNESSES["process"].kinds)
def test_killed(runtime, kind):
    """Whatever was killed is there again after a plain `up`; the data is, too; and the next `up` changes nothing."""
    if kind not in runtime.kinds:
        pytest.skip(f"this runtime starts no {kind}: what it kills elsewhere is the engine's own work here")
    ask(runtime.output("store"), "create table if not exists kept as select 7 as n")
    runtime.kill(kind)
    done = runtime.up("web@1.0")
    assert done.code == 0, done.text
    assert well(runtime)
    assert ask(runtime.output("store"), "select n from kept") == [(7,)]
    assert httpx.get(runtime.output("url")).status_code == 503
    assert "updated" not in runtime.up("web@1.0").text


@pytest.mark.parametrize("killed", [False, True])
def test_keeper(runtime, killed):
    """Traffic whose deployer gives no sign any more goes back by itself, also when the keeper dies at the same moment."""
    split, route = splits.open(runtime.output("split")), Route(service="web", prefix="/", canary="web@1.0")
    told = {"routes": [route.wire()]}
    split.take("r1", [route], lease=Lease(release="r1", owner=split.owner, heartbeat=4, rollout=told))
    assert split.confirm(split.set(100), 5)
    split.beat(time.time())
    assert httpx.get(runtime.output("url")).status_code == 200
    if killed:
        runtime.kill("keeper")
    begun = time.monotonic()
    wait(lambda: httpx.get(runtime.output("url")).status_code == 503, 15)
    assert time.monotonic() - begun < 4
    assert runtime.up("web@1.0").code == 0


def test_beside(runtime):
    """A new version starts beside the old one, which is not touched; taken out, it is stopped."""
    before = runtime.mark("web@1.0")
    assert runtime.up("web@1.0", "web@1.1").code == 0
    assert well(runtime)
    assert well(runtime, "web@1.1")
    assert runtime.up("web@1.0").code == 0
    assert runtime.mark("web@1.0") == before
    assert not any("web@1.1" in command for command in runtime.running())


def test_crash(runtime):
    """A version that ends at start is one clear line with its last log lines; nothing is left, and the old one serves."""
    running = runtime.running()
    done = runtime.up("web@1.0", "web@9.9", CRASH="no such table")
    assert done.code != 0
    (error,) = done.errors
    assert "'web@9.9' did not start: " in error
    assert "its last log lines: no such table; " in error
    assert "Traceback" not in done.text
    assert well(runtime)
    assert runtime.running() == running
    assert runtime.up("web@1.0").code == 0


def test_job(runtime):
    """A job runs where the data is, once; one that fails stops the update with one line."""
    jobs = {"good": ["sh", "-c", 'test "$PGDATABASE" = shop']}
    assert runtime.up("web@1.0", jobs=jobs).code == 0
    assert "updated" not in runtime.up("web@1.0", jobs=jobs).text
    done = runtime.up("web@1.0", jobs={"bad": ["sh", "-c", "echo oh; exit 3"]})
    assert done.code != 0
    (error,) = done.errors
    assert "job 'bad' ended with exit code 3, expected 0; its last log lines: oh; " in error
    assert runtime.up("web@1.0").code == 0


def test_secret(runtime):
    """A planted secret reaches the version, and is in no state, output, log or command line."""
    done = runtime.up("web@1.0", "web@9.9", CRASH="token $TOKEN")
    assert "its last log lines: token ***; " in done.text
    assert runtime.up("web@1.0").code == 0
    runtime.pulumi("refresh", "-y")
    assert SECRET not in done.text + runtime.pulumi("stack", "export").text + "".join(runtime.running())
    holders = {path.name for path in runtime.home.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()}
    assert holders == runtime.holders


def test_side_by_side(runtime):
    """Two stacks of one program run side by side; destroying one leaves the other as it is."""
    other = type(runtime)("two", runtime.home)
    before = runtime.mark("web@1.0")
    assert other.up("web@1.0").code == 0
    assert other.output("url") != runtime.output("url")
    other.close()
    assert other.running() == []
    assert runtime.mark("web@1.0") == before
    assert well(runtime)


def test_destroy(runtime):
    """Destroying leaves no process, and keeps the data; the next `up` finds it."""
    ask(runtime.output("store"), "create table if not exists kept as select 7 as n")
    done = runtime.pulumi("destroy", "-f", "-y")
    assert done.code == 0, done.text
    assert runtime.running() == []
    assert runtime.up("web@1.0").code == 0
    assert ask(runtime.output("store"), "select n from kept") == [(7,)]
