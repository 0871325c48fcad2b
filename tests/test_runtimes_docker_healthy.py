"""Waiting for a container, and what is said of one that does not become well: as the engine calls it, on a real one."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from sluice.core.errors import RuntimeFailed
from sluice.runtimes.docker.healthy import HealthyProvider, _once
from sluice.systems import docker
from tests.fixtures.docker import Run, engine, run
from tests.fixtures.front import free
from tests.fixtures.stack import tracebacks

__all__ = ["engine", "run", "tracebacks"]
SERVES = """python -c "
from http.server import *
class H(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == '/up' else 503); self.end_headers()
HTTPServer(('0.0.0.0', 8080), H).serve_forever()" """


def props(container: str, **changes: Any) -> dict[str, Any]:
    """Return the inputs of a worker that has a second."""
    spec = {"name": "web@1", "container": container, "port": 0, "health": "", "ask": [], "known": {"name": "web@1"}, "ready": 5, "grace": 1}
    return {"spec": json.dumps(spec | changes), "identity": "1", "secrets": {}}


def served(run: Run) -> tuple[str, int]:
    """Start a container that answers, and return its name and port."""
    port = free()
    return run(SERVES, "--publish", f"127.0.0.1:{port}:8080"), port


@pytest.mark.embedded
def test_well(run: Run):
    """A version is known once its path answers 2xx or 3xx."""
    name, port = served(run)
    made = HealthyProvider().create(props(name, port=port, health="/up", ready=30))
    assert (made.id, made.outs and made.outs["descriptor"]) == ("web@1", {"name": "web@1"})


@pytest.mark.embedded
def test_unwell(run: Run):
    """One that answers otherwise until its time is over fails with what was seen, and is stopped; its log stays."""
    name, port = served(run)
    HealthyProvider().create(props(name, port=port, health="/up", ready=30))
    with pytest.raises(RuntimeFailed) as error:
        HealthyProvider().create(props(name, port=port, health="/down", ready=0.5))
    said = f"'web@1' did not start: GET http://127.0.0.1:{port}/down is answered with 503, expected 2xx or 3xx; its last log lines: "
    assert str(error.value).startswith(said)
    assert str(error.value).endswith(f"; all of them: docker logs {name}")
    state = docker.state(name)
    assert state
    assert not state.runs
    assert "/down" in docker.said(name, 5)


@pytest.mark.embedded
def test_crash(run: Run):
    """One that ends at start fails at once, in one line, its secrets hidden, however often the engine has started it meanwhile."""
    name = run("echo no such table; echo token hunter2; exit 7", "--restart", "always")
    begun = time.monotonic()
    with pytest.raises(RuntimeFailed) as error:
        HealthyProvider().create({**props(name, ready=60), "secrets": {"TOKEN": "hunter2"}})
    assert str(error.value) == (
        "'web@1' did not start: it ended at start (exit code 7); its last log lines: no such table | token ***;"
        f" all of them: docker logs {name}"
    )
    assert time.monotonic() - begun < 30
    state = docker.state(name)
    assert state
    assert state.status == "exited"


@pytest.mark.embedded
def test_starved(run: Run):
    """One that takes more memory than its limit is told so: its log says nothing of it."""
    name = run("exec python -c 'bytearray(2**26)'", "--restart", "always", "--memory", "32m", "--memory-swap", "32m")
    with pytest.raises(RuntimeFailed) as error:
        # Waited for by its path: on a busy machine its first second may be over before it has begun to take memory.
        HealthyProvider().create(props(name, port=free(), health="/up", ready=60))
    why = "it ended at start: killed by its memory limit of 32 MiB (exit code 137)"
    assert str(error.value) == f"'web@1' did not start: {why}; its last log lines: none; all of them: docker logs {name}"


@pytest.mark.embedded
def test_worker(run: Run):
    """A worker is well when it has outlived its first second."""
    name = run("sleep 1000")
    begun = time.monotonic()
    HealthyProvider().create(props(name))
    assert time.monotonic() - begun >= 1


@pytest.mark.embedded
def test_asked(run: Run):
    """A command in the container decides where there is one."""
    name = run("sleep 1; touch /tmp/there 2> /dev/null || : > /tmp/there; sleep 1000")
    HealthyProvider().create(props(name, ask=["ls", "/tmp/there"], ready=30))
    with pytest.raises(RuntimeFailed, match="'web@1' did not start: docker exec: "):
        HealthyProvider().create(props(name, ask=["false"], ready=0.1))


@pytest.mark.embedded
def test_again(run: Run):
    """A stopped container is a difference, and an update starts it; one that runs is none."""
    name = run("sleep 1000")
    made = HealthyProvider().create(props(name))
    outs = dict(made.outs or {})
    assert HealthyProvider().diff("web@1", outs, props(name)).changes is False
    docker.stop(name, 1)
    assert HealthyProvider().diff("web@1", outs, props(name)).changes is True
    HealthyProvider().update("web@1", outs, props(name))
    assert HealthyProvider().diff("web@1", outs, props(name)).changes is False
    assert HealthyProvider().diff("web@1", outs, {**props(name), "identity": "2"}).changes is True


@pytest.mark.embedded
def test_gone(engine: None):
    """A container that somebody has removed is for Pulumi to make: it is told how to learn of it."""
    with pytest.raises(RuntimeFailed) as error:
        HealthyProvider().update("web@1", props("sluice-test-none"), props("sluice-test-none"))
    why = "container 'sluice-test-none' is gone, and was not removed by Pulumi: run `pulumi refresh`, then `pulumi up`"
    assert str(error.value) == why


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["a", "b", "a", "b"], ["a", "b"]),
        (["b", "a", "b", "a", "b"], ["a", "b"]),
        (["a", "a", "a"], ["a"]),
        (["a", "b", "c"], ["a", "b", "c"]),
        ([], []),
    ],
)
def test_once(lines: list[str], said: list[str]):
    """What repeats is said once."""
    assert _once(lines) == said
