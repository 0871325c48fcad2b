"""A Docker engine, asked through its client: against a real one, but for what only a missing one says."""

from __future__ import annotations

import time
from pathlib import Path
from secrets import token_hex

import pytest

from sluice.core.errors import RuntimeFailed, Unreachable
from sluice.core.reading import NoData, Number
from sluice.systems import docker, logs, process
from tests.fixtures import image
from tests.fixtures.docker import Run, engine, run
from tests.fixtures.front import wait

__all__ = ["engine", "run"]
pytestmark = pytest.mark.embedded
FOREVER = "sleep 1000"


def test_state(run: Run):
    """A container that runs is told from one that has ended, with its exit code, and from none."""
    name = run(FOREVER)
    state = docker.state(name)
    assert state
    assert (state.runs, state.status, state.exit, state.restarts) == (True, "running", 0, 0)
    ended = run("exit 3")
    wait(lambda: (found := docker.state(ended)) is not None and found.status == "exited")
    state = docker.state(ended)
    assert state
    assert (state.runs, state.exit, docker.main(ended)) == (False, 3, None)
    assert docker.state("sluice-test-none") is None


def test_ended(run: Run):
    """The last end of a container is known while it runs again, and whether its memory limit killed it; of one that runs still, none is."""
    name = run("sleep 0.5; exit 7", "--restart", "always", "--memory", "32m")
    wait(lambda: (found := docker.state(name)) is not None and found.runs and found.restarts > 0)
    state = docker.state(name)
    assert state
    assert (docker.ended(state.id), state.memory) == (docker.End(7, starved=False), 32 * 2**20)
    other = docker.state(run(FOREVER))
    assert other
    assert docker.ended(other.id) is None
    hungry = run("exec python -c 'bytearray(2**26)'", "--memory", "32m", "--memory-swap", "32m")
    wait(lambda: (found := docker.state(hungry)) is not None and found.status == "exited")
    state = docker.state(hungry)
    assert state
    assert docker.ended(state.id) == docker.End(137, starved=True)


def test_main(run: Run):
    """The main process is one of this machine, and is known to be the container's."""
    pid = docker.main(run(FOREVER))
    assert pid
    assert any("sleep" in one.name() for one in process.tree(pid))


def test_again(run: Run):
    """What is stopped can be started, twice too; what is gone is stopped and removed already."""
    name = run(FOREVER)
    for _ in range(2):
        docker.stop(name, 1)
    state = docker.state(name)
    assert state
    assert not state.runs
    for _ in range(2):
        docker.start(name)
    state = docker.state(name)
    assert state
    assert state.runs
    for _ in range(2):
        docker.remove(name)
    docker.stop(name, 1)
    assert docker.state(name) is None


def test_grace(run: Run):
    """Who is stopped is told, and has its grace to end."""
    name = run("trap 'echo told; exit 0' TERM; while :; do sleep 0.1; done")
    wait(lambda: docker.main(name) is not None)
    time.sleep(0.5)  # until the shell has set its trap
    docker.stop(name, 10)
    state = docker.state(name)
    assert state
    assert (state.exit, docker.said(name, 5)) == (0, "told\n")


def test_listed(run: Run):
    """A stack's containers are found by its label, those that have ended too."""
    labels = ["--label", "sluice.stack=lists-one", "--label", "sluice.port=20001"]
    run(FOREVER, *labels, "--label", "sluice.name=web@1")
    run("true", *labels, "--label", "sluice.name=web@2")
    run(FOREVER, "--label", "sluice.stack=lists-two", "--label", "sluice.name=web@1")
    found = docker.listed("lists-one")
    assert {name: one["sluice.port"] for name, one in found.items()} == {"web@1": "20001", "web@2": "20001"}


def test_clear(run: Run):
    """A stack's own container of a name is removed, another's of the same name is not; a network goes as well. Twice is fine."""
    stack = f"test-{token_hex(4)}"
    own, others = run(FOREVER, "--label", f"sluice.stack={stack}"), run(FOREVER, "--label", "sluice.stack=other")
    docker.ask(["network", "create", "--label", f"sluice.stack={stack}", own])
    for _ in range(2):
        docker.clear("container", own, stack)
        docker.clear("container", own[:-1], stack)
        docker.clear("container", others, stack)
        docker.clear("network", own, stack)
    assert docker.state(own) is None
    assert docker.state(others)
    assert own not in docker.ask(["network", "ls", "--format", "{{.Name}}"])


def test_refused(engine: None):
    """What the engine refuses is told in its own words, in one line."""
    with pytest.raises(RuntimeFailed) as error:
        docker.start("sluice-test-none")
    assert str(error.value).startswith("docker start: ")
    assert "No such container: sluice-test-none" in str(error.value)
    assert "\n" not in str(error.value)


def test_no_engine(engine: None, monkeypatch: pytest.MonkeyPatch):
    """An engine that does not answer cannot be reached, which is not the same as a container that is not there."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent.sock")
    with pytest.raises(Unreachable, match=r"^the Docker engine does not answer: "):
        docker.state("any")
    assert docker.host() == "unix:///nonexistent.sock"


def test_no_client(monkeypatch: pytest.MonkeyPatch):
    """Without a client there is nobody to ask."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Unreachable) as error:
        docker.host()
    assert str(error.value) == "there is no 'docker' on PATH: install Docker's client"


def test_slow(engine: None):
    """An answer that does not come is waited for no longer than was said."""
    with pytest.raises(Unreachable) as error:
        docker.ask(["wait", "--help"], timeout=0.0001)
    assert str(error.value) == "docker did not do 'wait' within 0 s: run `docker info`"


def test_log(run: Run):
    """A container's log answers as a file does: what it wrote on either output, since a time."""
    begun = time.time()
    name = run(f'echo \'{{"time": {begun - 100}, "level": "error"}}\'; echo \'{{"time": {begun}, "level": "info"}}\' >&2; {FOREVER}')
    wait(lambda: docker.said(name, 9).count("\n") == 2)
    of = {"path": f"docker:{name}", "level": "error"}
    assert logs.ask("logs.ratio", of, 5) == Number(value=0.5, samples=2, evidence="1 of 2 lines match")
    assert logs.ask("logs.count", {**of, "since": begun - 1}, 5) == Number(value=0.0, samples=1, evidence="of 1 lines")
    with pytest.raises(Unreachable, match=r"^the log of container 'sluice-test-none' cannot be read: "):
        logs.ask("logs.count", {"path": "docker:sluice-test-none"}, 5)


def test_process(run: Run):
    """A container's processes are measured as those of a pidfile are; one that does not run is no data."""
    name = run(FOREVER)
    taken = process.ask("process.memory", {"pidfile": f"docker:{name}", "memory": 2**30}, 5)
    assert isinstance(taken, Number)
    assert 0 < taken.value < 0.1
    docker.stop(name, 1)
    assert process.ask("process.memory", {"pidfile": f"docker:{name}", "memory": 2**30}, 5) == NoData(f"no process of 'docker:{name}' runs")


def test_elsewhere(run: Run, monkeypatch: pytest.MonkeyPatch):
    """The pid of an engine in a virtual machine is not taken for whoever has that number here."""
    name = run(FOREVER)
    state = docker.state(name)
    assert state
    monkeypatch.setattr(docker, "state", lambda _: docker.State("another", "running", 0, 0, state.pid))
    assert docker.main(name) is None
    assert Path(f"/proc/{state.pid}").exists()


def test_usage(run: Run, monkeypatch: pytest.MonkeyPatch):
    """What a container takes is asked of its engine where its processes are not this machine's; its age is not known there."""
    name = run("while :; do :; done", "--memory", "64m", "--cpus", "0.5")
    monkeypatch.setattr(docker, "main", lambda _: None)
    of = {"pidfile": f"docker:{name}"}
    memory = process.ask("process.memory", {**of, "memory": 2**26}, 20)
    assert isinstance(memory, Number)
    assert 0 < memory.value < 0.5
    cores = process.ask("process.cpu", {**of, "cpu": 0.5}, 20)
    assert isinstance(cores, Number)
    assert 0.01 < cores.value < 2
    assert isinstance(process.ask("process.age", of, 5), NoData)
    docker.stop(name, 1)
    assert docker.usage(name, 20) is None
    assert docker.usage("sluice-test-none", 20) is None


def test_put(run: Run):
    """Files get into a volume that nobody has open, for their owner alone, over what is there, and leave no container."""
    before = docker.ask(["ps", "--all", "--quiet"]).split()
    name = f"sluice-test-{token_hex(4)}"
    docker.ask(["volume", "create", name])
    try:
        docker.put(name, image.sluice(), {"a": "old"}, mode=0o600)
        docker.put(name, image.sluice(), {"a": "pl4nted", "b": "ü"}, mode=0o600)
        line = "cat /x/a /x/b; ls -l /x"
        said = docker.ask(["run", "--rm", "--volume", f"{name}:/x", image.sluice(), "sh", "-c", line])
        assert said.startswith("pl4ntedü")
        assert said.count("-rw-------") == 2
    finally:
        docker.ask(["volume", "rm", name])
    assert set(docker.ask(["ps", "--all", "--quiet", "--filter", f"volume={name}"]).split()) - set(before) == set()


def test_put_refused(engine: None):
    """What cannot be put is told in the engine's own words."""
    with pytest.raises(RuntimeFailed, match=r"^docker create: "):
        docker.put("sluice-test-none", "sluice-test-none:1", {"a": "b"}, mode=0o600)


def test_astray(engine: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A context that leads elsewhere than DOCKER_HOST, or where everybody looks, is told; one that leads to the same engine is not."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert docker.astray() == ""
    (tmp_path / "same.sock").symlink_to(docker.DEFAULT.removeprefix("unix://"))
    for name, where in (("same", f"unix://{tmp_path}/same.sock"), ("other", "unix:///nonexistent.sock")):
        docker.ask(["context", "create", name, "--docker", f"host={where}"])
    monkeypatch.setenv("DOCKER_CONTEXT", "same")
    assert docker.astray() == ""
    monkeypatch.setenv("DOCKER_CONTEXT", "other")
    assert docker.astray() == "unix:///nonexistent.sock"
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent.sock")
    assert docker.astray() == ""


def test_published(run: Run):
    """What was given a port is known by the engine, of whatever stack."""
    name = run("true", "--label", "sluice.stack=lists-one", "--label", "sluice.port=20001")
    other = run("true", "--label", "sluice.stack=lists-one")
    found = docker.published()
    assert found[name] == {"sluice.stack": "lists-one", "sluice.port": "20001"}
    assert other not in found


def test_volume(engine: None):
    """A volume is there by its whole name."""
    docker.ask(["volume", "create", "sluice-test-volume"])
    try:
        assert docker.volume("sluice-test-volume")
        assert not docker.volume("sluice-test")
    finally:
        docker.ask(["volume", "rm", "sluice-test-volume"])
