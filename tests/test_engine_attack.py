"""What people and machines do to a deployment: each ends in one clear line, nothing is lost, and a plain `up` puts it right."""

from __future__ import annotations

import itertools
import os
import resource
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from sluice.runtimes.process.folder import Folder
from sluice.systems import process
from tests.fixtures.engine import Engine, Result, proven

pytestmark = [pytest.mark.engine, pytest.mark.embedded]
# Long enough at its first step to be attacked there, and then quick.
SLOW = [{"weight": 10, "soak": "6s", "samples": 5}, {"weight": 100, "soak": "200ms", "samples": 0}]
FAST = [{"weight": 50, "soak": "500ms", "samples": 10}, {"weight": 100, "soak": "200ms", "samples": 0}]
NUMBERS = itertools.count(2)


@pytest.fixture(scope="module")
def shared() -> Iterator[Engine]:
    with proven("1") as engine:
        yield engine


@pytest.fixture
def live(shared: Engine) -> Iterator[Engine]:
    """Return a stack on which version 1 is live; each test leaves it so, and a plain `up` must make it so again."""
    config = dict(shared.config)
    yield shared
    shared.config = config
    shared.release("1")
    back = shared.up()
    assert back.ok, back.out
    assert (shared.live, shared.serving(count=5)) == ("1", {"1"})
    assert shared.share.weight in (0, 100)


def told(result: Result, *lines: str) -> None:
    """See that an update failed, and said just that, each in one line."""
    assert not result.ok
    assert "Traceback" not in result.out
    assert [line for line in lines if line not in result.out] == [], result.out


def number() -> str:
    """Return a version that never was: one that is warm would climb no ladder."""
    return f"2.{next(NUMBERS)}"


def running(engine: Engine) -> set[int]:
    return {one.pid for one in engine.processes()}


# Bad input: all told at once, and nothing was touched.

NO_NAME = "is not a name: letters, digits, '_', '.' and '-', at most 63, a letter or digit first"
NO_VERSION = "is not a version: letters, digits, '.', '_', '+' and '-', at most 64, a letter or digit first"
BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unknown": (
        {"version": "2", "services": {"wbe": {}}},
        ["sluice:release.services.wbe: the program declares no service 'wbe': did you mean 'web'?"],
    ),
    "names": (
        {
            "version": "../../1",
            "services": {
                "../../etc": {},
                "w" * 200: {},
                "wéb": {},
                "web": {"version": "1 2", "replicas": 10**30},
                "api": {"version": "v" * 200},
            },
            "flags": {"../x": True},
        },
        [
            f"sluice:release.version: '../../1' {NO_VERSION}",
            f"sluice:release.services[\"../../etc\"]: '../../etc' {NO_NAME}",
            f"sluice:release.services.{'w' * 200}: '{'w' * 200}' {NO_NAME}",
            f"sluice:release.services[\"wéb\"]: 'wéb' {NO_NAME}",
            f"sluice:release.services.web.version: '1 2' {NO_VERSION}",
            "sluice:release.services.web.replicas: 1e+30 is above 100, the most",
            f"sluice:release.services.api.version: '{'v' * 59}…' {NO_VERSION}",
            f"sluice:release.flags[\"../x\"]: '../x' {NO_NAME}",
        ],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_config(live: Engine, name: str) -> None:
    """Wrong settings end a preview with every problem by its path, without a traceback."""
    release, lines = BAD[name]
    before = running(live)
    live.configure("sluice:release", release)
    told(live.preview(), *lines)
    assert running(live) == before


def test_garbage(live: Engine) -> None:
    """Config that is no map is an error that does not repeat it."""
    live.configure("sluice:release", "{hunter2")
    live.configure("sluice:rollout", "[" * 5000)
    sentence = "is not a map of keys: write it as YAML in the stack's file, or set each key with pulumi config set --path"
    result = live.preview()
    told(result, f"sluice:release: {sentence}", f"sluice:rollout: {sentence}")
    assert "hunter2" not in result.out


def test_hostile_settings(live: Engine) -> None:
    """A variable's value is a text, whatever it says to a shell; a service that does not take it leaves the live version alone."""
    trap = live.place / "trap"
    hostile = f"$(touch {trap}) `touch {trap}`; touch {trap} ' \" \\ \n%n %(here)s é {{port}}"
    live.rollout(ladder=FAST)
    live.release("1.0+b_-", web={"HOSTILE": hostile, "LANG": "C"})
    with live.load(rate=60):
        result = live.up()
    assert result.ok, result.out
    assert not trap.exists()
    pid = process.owner(Folder(live.root).pidfile(live.program("web@1.0+b_-")))
    assert pid is not None
    value = psutil.Process(pid).environ()["HOSTILE"]
    assert value.split("é")[0] == hostile.split("é")[0]
    assert value.rpartition(" ")[2].isdigit()


# Files that people and disks break.


def routes(engine: Engine) -> Path:
    return engine.root / "front" / "rds.json"


@pytest.mark.parametrize("text", [None, "{garbage", "half"])
def test_routes_lost(live: Engine, text: str | None) -> None:
    """Routes that were deleted, overwritten or half written are written anew by a plain `up`; until then the live version serves."""
    path = routes(live)
    whole = path.read_text()
    (path.parent / "split.lock").write_text("left behind")
    path.unlink()
    if text:
        path.write_text(whole[: len(whole) // 2] if text == "half" else text)
    assert live.serving(count=5) == {"1"}
    result = live.up()
    assert result.ok, result.out
    assert live.share.routes
    assert live.serving(count=5) == {"1"}


def test_ports_lost(live: Engine) -> None:
    """A broken table of ports stops a new version with one line and nothing else; without the table all goes on."""
    table = live.root / "run" / "ports.json"
    table.write_text("{")
    assert live.up().ok, "what runs needs no port"
    live.release(number())
    told(live.up(), f"Unreachable: '{table}' cannot be read as JSON (JSONDecodeError): restore or remove it")
    assert live.serving(count=5) == {"1"}
    table.unlink()
    live.rollout(ladder=FAST)
    with live.load(rate=60) as load:
        result = live.up()
    assert result.ok, result.out
    assert (live.live, load.tally.failed) == (live.config["sluice:release"]["version"], 0)


def test_flags_lost(live: Engine) -> None:
    """Broken flags are told in one line that says what to do."""
    live.configure("sluice:release", {"version": "1", "flags": {"dark": True}})
    flags = live.root / "flags.json"
    flags.write_text("{")
    told(live.up(), f"Unreachable: the flags in '{flags}' cannot be read (JSONDecodeError): mend or remove the file")
    flags.unlink()


def test_home_moved(live: Engine) -> None:
    """Another SLUICE_HOME is refused before anything is touched: the data is where it was."""
    was = live.env["SLUICE_HOME"]
    live.env["SLUICE_HOME"] = str(live.place / "elsewhere")
    result = live.up()
    live.env["SLUICE_HOME"] = was
    root = f"this stack lives in '{was}/toy-test', and now it is told '{live.place}/elsewhere/toy-test'"
    told(result, f"{root}: set SLUICE_HOME to '{was}', or destroy it first")
    assert not (live.place / "elsewhere").exists()


# Wrong order.


def test_unstaged(live: Engine) -> None:
    """A version that another stack must prove first is refused before anything starts, also when that stack was never there."""
    before = running(live)
    live.rollout(requires={"stack": "organization/toy/staging"})
    live.release(number())
    told(live.up(), 'error: unknown stack "organization/toy/staging"')
    assert running(live) == before


def test_while_an_update_holds(live: Engine) -> None:
    """Beside a running update a second one and a destroy are refused; what is configured meanwhile waits for the next."""
    live.rollout(ladder=SLOW)
    live.release(version := number())
    with live.load(rate=60) as load:
        with live.updating() as update:
            live.wait(lambda: live.at(10))
            for result in (live.up(), live.run("destroy", "--yes", "--skip-preview")):
                told(result, "error: the stack is currently locked by 1 lock(s)")
            live.release(number())
        assert update.returncode == 0
    assert (live.live, live.serving(count=5), load.tally.failed) == (version, {version}, 0)


# A canary under attack.


@contextmanager
def climbing(engine: Engine) -> Iterator[list[Result]]:
    """Update to another version, and go on at its first step; afterwards the list has the result."""
    engine.rollout(ladder=SLOW)
    engine.release(number())
    results: list[Result] = []
    with engine.load(rate=100):
        with engine.updating() as update:
            engine.wait(lambda: engine.at(10))
            yield results
        results.append(Result(update.returncode, (engine.place / "up.log").read_text()))


def pid(engine: Engine, name: str) -> int:
    found = process.owner(Folder(engine.root).pidfile(name))
    assert found is not None
    return found


def test_envoy_hangs(live: Engine) -> None:
    """An Envoy that does not answer for a while costs the canary its traffic, and is said to be the reason."""
    with climbing(live) as results:
        os.kill(pid(live, "front"), signal.SIGSTOP)
        live.wait(lambda: live.at(0), 10)
        os.kill(pid(live, "front"), signal.SIGCONT)
    told(results[0], " failed at 10 %: envoy's admin socket '", "' does not answer (ReadTimeout): is the proxy up?; weight 0, ")
    assert live.serving(count=20) == {"1"}


def test_both_versions_crash(live: Engine) -> None:
    """When the new and the live version die at once the canary goes back, and supervisord brings the live one up again."""
    with climbing(live) as results:
        for name in live.programs():
            os.kill(pid(live, name), signal.SIGKILL)
        live.wait(lambda: live.at(0), 20)
    told(results[0], "GateFailed: canary of 2.", " failed at 10 %: ", "; weight 0, ")
    live.wait(lambda: httpx.get(live.url + "/web/").status_code == 200)
    assert live.serving(count=5) == {"1"}


def test_live_crashes(live: Engine) -> None:
    """A live version that dies for good does not take the canary with it, or the canary goes back: never anything between."""
    with climbing(live) as results:
        name = live.program("web@1-")
        Folder(live.root).launcher(name).unlink()
        os.kill(pid(live, name), signal.SIGKILL)
    assert live.share.weight in (0, 100)
    assert "Traceback" not in results[0].out
    assert live.live == (live.config["sluice:release"]["version"] if results[0].ok else "1")


def test_disk_full(live: Engine) -> None:
    """When the next step cannot be written for want of room, the way back to 0 still can."""
    with climbing(live) as results:
        for provider in (one for one in live.processes() if "pulumi.dynamic" in one.cmdline()):
            # To it every file system is full from now on.
            resource.prlimit(provider.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        live.wait(lambda: live.at(0), 20)
    why = f"'{routes(live)}' cannot be written (File too large): mend that, then `pulumi up`"
    told(results[0], "GateFailed: canary of 2.", f" failed at 100 %: {why}; weight 0, ")
    assert live.serving(count=20) == {"1"}


# The end, and again.


def test_destroy_and_up_again(planted: Engine) -> None:
    """A destroy closes the doors first, then ends everything but the data; a later `up` finds the data, on other ports if it must."""
    planted.release("1")
    assert planted.up().ok
    home = Folder(planted.root)
    port = int(planted.url.rsplit(":", 1)[1])
    query(planted, "create table kept as select 42 as answer")
    with asking(planted.url + "/web/") as answers:
        result = planted.run("destroy", "--yes", "--skip-preview")
    assert result.ok, result.out
    assert {answer for answer in answers if not answer.endswith("Error")} == {"1", "no version is live yet\n"}
    assert planted.processes() == []
    assert sorted(path.name for path in home.root.iterdir()) == ["journal.jsonl", "postgres", "secrets", "stack"]
    assert [path.name for path in (home.root / "secrets").iterdir()] == ["secret-database-server.pgpass"]

    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        again = planted.up()
        assert again.ok, again.out
        assert int(planted.url.rsplit(":", 1)[1]) != port
    assert query(planted, "select answer from kept") == 42
    assert planted.serving(count=5) == {"1"}


@contextmanager
def asking(url: str) -> Iterator[set[str]]:
    """Ask all the time; afterwards the set has what came back: a version, a text without one, or an error."""
    answers: set[str] = set()
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                found = httpx.get(url)
                answers.add(found.headers.get("x-version", found.text))
            except httpx.HTTPError as error:
                answers.add(type(error).__name__)

    thread = threading.Thread(target=ask)
    thread.start()
    yield answers
    over.set()
    thread.join()


def query(engine: Engine, text: str) -> Any:
    import psycopg

    store = engine.outputs()["databases"]["toy"]
    passfile = Folder(engine.root).passfile("secret-database-server")
    with psycopg.connect(**store, user="sluice", passfile=str(passfile), autocommit=True) as connection:
        cursor = connection.execute(text.encode())
        row = cursor.fetchone() if cursor.description else None
    return row and row[0]
