"""One version of one service."""

import os
import re
import signal
import socket
from pathlib import Path

import httpx
import pytest

from sluice.core.errors import RuntimeFailed, Unreachable
from sluice.core.version import Version
from sluice.runtimes.process import ports
from sluice.runtimes.process.program import ProgramProvider
from sluice.systems import process
from tests.fixtures.front import wait
from tests.fixtures.stack import TOY

pytestmark = pytest.mark.embedded
provider = ProgramProvider()
NAME = "web@1.0-aaaa"


def remains(stack) -> list[str]:
    """Return the files of programs in a stack, logs and the book of ports left out."""
    places = ("run", "conf.d", "secrets", "artifacts")
    found = [path.name for place in places for path in (stack.folder.root / place).iterdir()]
    return sorted(name for name in found if not name.startswith(("supervisord", "ports")))


def test_create(stack):
    """A version is healthy when create returns, and its descriptor says how to reach it."""
    outs = stack.run(memory=float(2**26), cpu=0.5)
    version = Version.read(outs["descriptor"])
    answer = httpx.get(f"{version.url}/x")
    assert (answer.status_code, answer.headers["x-version"]) == (200, "1.0")
    assert (version.name, version.service, version.memory, version.cpu, version.application) == (NAME, "web", 2**26, 0.5, NAME)
    assert process.owner(Path(version.pidfile)) == stack.pid(NAME)
    wait(lambda: '"path": "/x"' in Path(version.log).read_text())
    assert "pid" not in {key for key in outs if key not in stack.program()}


def test_outputs_stable(stack):
    """Starting again gives the same outputs: a refresh or a second `up` has nothing to tell."""
    outs = stack.run()
    stack.kill(NAME)
    assert provider.update(NAME, outs, stack.program()).outs == outs


def test_diff(stack):
    """A version that runs as declared is no change; a changed input, and a death, are."""
    outs, props = stack.run(), stack.program()
    assert not provider.diff(NAME, outs, props).changes
    assert provider.diff(NAME, outs, stack.program(env={"A": "b"})).changes
    stack.folder.conf(NAME).unlink()
    os.kill(stack.pid("supervisord"), signal.SIGSTOP)  # else it would start the program again at once
    stack.kill(NAME)
    try:
        assert provider.diff(NAME, outs, props).changes
    finally:
        os.kill(stack.pid("supervisord"), signal.SIGCONT)


def test_update_running(stack):
    """A version that runs as declared is left alone."""
    outs, before = stack.run(), stack.pid(NAME)
    provider.update(NAME, outs, stack.program())
    assert stack.pid(NAME) == before


def test_update_changed(stack):
    """A changed input starts the version anew, on its port."""
    outs = stack.run()
    news = provider.update(NAME, outs, stack.program(env={"VERSION": "other"})).outs
    assert news["descriptor"]["url"] == outs["descriptor"]["url"]
    assert httpx.get(news["descriptor"]["url"]).headers["x-version"] == "other"


def test_autorestart(stack):
    """A version that dies between updates comes back by itself."""
    url = stack.run()["descriptor"]["url"]
    before = stack.pid(NAME)
    stack.kill(NAME)
    client = httpx.Client(transport=httpx.HTTPTransport(retries=8))
    assert client.get(url).status_code == 200
    assert stack.pid(NAME) != before


def test_crash(stack):
    """A version that ends at start is one clear line with what it said last, without its secret, and leaves nothing but its log."""
    with pytest.raises(RuntimeFailed) as error:
        stack.run(env={"CRASH": "no such table, password hunter2"}, secrets={"TOKEN": "hunter2"})
    log = stack.folder.log(NAME)
    said = r"no such table, password \*\*\*"
    wanted = rf"'{NAME}' did not start: it ended at start \(supervisord says BACKOFF\); its last log lines: {said}; all of them: '{log}'"
    assert re.fullmatch(wanted, str(error.value))
    assert remains(stack) == []
    assert ports.known(stack.folder) == {}


def test_unhealthy(stack):
    """A version that does not answer well in time says what it answered, and leaves nothing."""
    (stack.home / "deaf").mkdir()
    text = (TOY / "service.py").read_text().replace('healthy = self.path == "/health"', "healthy = False")
    (stack.home / "deaf" / "service.py").write_text(text)
    with pytest.raises(RuntimeFailed) as error:
        stack.run(artifact=str(stack.home / "deaf"), env={"FAIL_RATE": "1"}, ready=1.0)
    wanted = r"did not start: GET http://127.0.0.1:\d+/health is answered with 500, expected 2xx or 3xx; its last log lines: "
    assert re.match(f"'{NAME}' {wanted}", str(error.value))
    assert remains(stack) == []


def test_secrets(stack):
    """A secret reaches the service, and is in no file but its own, 0600, and in no command line."""
    stack.run(secrets={"VERSION": "pa'ss $1"})
    url = f"http://127.0.0.1:{ports.known(stack.folder)[NAME]}"
    assert httpx.get(url).headers["x-version"] == "1.0"  # what is plain in `env` or set by the runtime has the last word
    stack.run("web@1.0-bbbb", secrets={"TOKEN": "hunter2"})
    holders = [path for path in stack.home.rglob("*") if path.is_file() and "hunter2" in path.read_text()]
    assert holders == [stack.folder.secrets("web@1.0-bbbb")]
    assert holders[0].stat().st_mode & 0o777 == 0o600
    assert b"TOKEN=hunter2" in Path(f"/proc/{stack.pid('web@1.0-bbbb')}/environ").read_bytes()
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(b"hunter2" in command for command in commands)


def test_artifact(stack):
    """What runs is what was declared: the source may change, or go, and the version still starts again."""
    source = stack.home / "source"
    source.mkdir()
    (source / "service.py").write_text((TOY / "service.py").read_text())
    props = stack.program(artifact=str(source))
    outs = provider.create(props).outs
    (source / "service.py").unlink()
    source.rmdir()
    stack.kill(NAME)
    assert provider.update(NAME, outs, props).outs == outs
    assert httpx.get(outs["descriptor"]["url"]).status_code == 200


def test_artifact_gone(stack):
    """A version whose source was never there is refused."""
    with pytest.raises(Unreachable, match=r"^the folder '/nowhere' does not exist: bring it back, or point the artifact to where it is$"):
        stack.run(artifact="/nowhere", digest="")
    assert remains(stack) == []


def test_foreign_port(stack):
    """A stranger on the port is not mistaken for the version: another port is taken."""
    with socket.create_server(("127.0.0.1", 0)):
        first = stack.run()
        provider.delete(NAME, first)
        port = int(first["descriptor"]["url"].rpartition(":")[2])
        with socket.create_server(("127.0.0.1", port)):
            second = stack.run()
    assert second["descriptor"]["url"] != first["descriptor"]["url"]
    assert httpx.get(second["descriptor"]["url"]).status_code == 200


def test_foreign_port_late(stack, monkeypatch):
    """A stranger who takes the port between the test and the start costs another try, no more."""
    port = ports.allocate(stack.folder, NAME)
    looks = iter([True])
    real = ports.free
    with socket.create_server(("127.0.0.1", port)):
        monkeypatch.setattr(ports, "free", lambda port: next(looks, None) or real(port))
        outs = stack.run()
    assert outs["descriptor"]["url"] != f"http://127.0.0.1:{port}"
    assert httpx.get(outs["descriptor"]["url"]).status_code == 200


def test_delete(stack):
    """Deleting stops the version within its grace and leaves its log; twice is fine, and others are not touched."""
    one, two = stack.run(), stack.run("web@2.0-bbbb")
    pid = stack.pid("web@2.0-bbbb")
    before = stack.pid(NAME)
    provider.delete(NAME, one)
    provider.delete(NAME, one)
    assert process.started(before) is None
    assert stack.pid("web@2.0-bbbb") == pid
    assert [name for name in remains(stack) if NAME in name] == []
    assert len([name for name in remains(stack) if len(name) == 12 and "." not in name]) == 1  # the artifact is the other's too
    provider.delete("web@2.0-bbbb", two)
    assert remains(stack) == []
    assert stack.folder.log(NAME).exists()


def test_delete_orphan(stack):
    """A version whose supervisord is gone is stopped by its pid."""
    outs, pid = stack.run(), stack.pid(NAME)
    stack.kill("supervisord")
    provider.delete(NAME, outs)
    assert process.started(pid) is None


def test_worker(stack):
    """A worker listens to nothing: it is ready when it has outlived its first second."""
    outs = stack.run("worker@1-aa", argv=["sleep", "60"], health="")
    assert outs["descriptor"]["url"] == ""
    assert process.ask("process.age", {"pidfile": outs["descriptor"]["pidfile"]}, 1).value >= 1
    assert ports.known(stack.folder) == {}


def test_worker_crash(stack):
    """A worker that ends at once has not started."""
    with pytest.raises(RuntimeFailed, match=r"^'worker@1-aa' did not start: it ended at start \(supervisord says BACKOFF\); "):
        stack.run("worker@1-aa", argv=["sh", "-c", "sleep 0.2; echo bye"], health="")
    assert remains(stack) == []


def test_unpacked(stack):
    """A version that an older Sluice declared, with its inputs beside each other, is known as running, and can be started and stopped."""
    props = provider.opened(stack.program())
    outs = provider.create({key: value for key, value in props.items() if key != "spec"}).outs
    assert not provider.diff(NAME, outs, {key: outs[key] for key in outs if key != "descriptor"}).changes
    provider.delete(NAME, outs)
    assert remains(stack) == []
