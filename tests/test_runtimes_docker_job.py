"""A job in a container: as the engine calls it, on a real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

from sluice.core.errors import RuntimeFailed
from sluice.runtimes.docker.job import JobProvider
from sluice.systems import docker
from tests.fixtures import image
from tests.fixtures.docker import engine
from tests.fixtures.stack import place, tracebacks

__all__ = ["engine", "tracebacks"]
pytestmark = pytest.mark.embedded


@pytest.fixture
def props(engine: None) -> Iterator[dict[str, Any]]:
    """The inputs of a job that does nothing."""
    root = place()
    for name in ("flags", "secrets", "log"):
        (root / name).mkdir()
    given = {"name": "job", "container": f"sluice-test-{token_hex(4)}", "root": str(root), "image": image.sluice(), "network": "bridge"}
    given |= {
        "labels": {"sluice.name": "job"},
        "argv": ["true"],
        "folder": str(root),
        "env": {},
        "secrets": {},
        "deadline": 60.0,
        "run": "",
    }
    yield given
    docker.remove(given["container"])


def said(props: dict[str, Any]) -> str:
    return Path(props["root"], "log", "job.log").read_text()


def test_runs(props: dict[str, Any]):
    """It runs in its folder, with its variables, and leaves its output and no container."""
    Path(props["folder"], "file").write_text("here")
    line = 'cat file; echo " $PLACE $TOKEN"; ls -d "$FLAGS"'
    flags = f"{props['root']}/flags"
    given = {**props, "argv": ["sh", "-c", line], "env": {"PLACE": "shop", "FLAGS": flags}, "secrets": {"TOKEN": "hunter2"}}
    made = JobProvider().create(given)
    assert said(props) == f"here shop hunter2\n{flags}\n"
    assert made.outs
    assert (made.outs["exit"], made.outs["log"]) == (0, f"{props['root']}/log/job.log")
    assert docker.state(props["container"]) is None


def test_fails(props: dict[str, Any]):
    """Trap: an exit code that nobody reads. It is final here, with the last lines, its secrets hidden."""
    given = {**props, "argv": ["sh", "-c", 'echo "no such table $TOKEN"; exit 3'], "secrets": {"TOKEN": "hunter2"}}
    with pytest.raises(RuntimeFailed) as error:
        JobProvider().create(given)
    assert str(error.value) == (
        f"job 'job' ended with exit code 3, expected 0; its last log lines: no such table ***; all of them: '{props['root']}/log/job.log'"
    )


def test_late(props: dict[str, Any]):
    """One that is not done in time is ended, and nothing of it is left."""
    with pytest.raises(RuntimeFailed, match=r"^job 'job' was not done within 1 s, and was ended; its last log lines: begun; "):
        JobProvider().create({**props, "argv": ["sh", "-c", "echo begun; exec sleep 1000"], "deadline": 1.0})
    assert docker.state(props["container"]) is None


def test_never_twice(props: dict[str, Any]):
    """One that a killed update has left running is ended before the next begins."""
    docker.ask(["run", "--detach", "--name", props["container"], image.sluice(), "sleep", "1000"])
    JobProvider().create({**props, "argv": ["sh", "-c", "echo alone"]})
    assert said(props) == "alone\n"


def test_deleted(props: dict[str, Any]):
    """Deleting ends it if it runs, and can be done twice."""
    docker.ask(["run", "--detach", "--name", props["container"], image.sluice(), "sleep", "1000"])
    for _ in range(2):
        JobProvider().delete("job", props)
    assert docker.state(props["container"]) is None


def test_elsewhere(props: dict[str, Any]):
    """Where the engine sees no folder of this machine, the folder is copied in and volumes stand for the others; all else is the same."""
    Path(props["folder"], "file").write_text("here")
    volume = f"sluice-test-{token_hex(4)}"
    docker.ask(["volume", "create", volume])
    given = props | {"far": {f"{props['root']}/secrets": volume}, "env": {"PLACE": "there"}, "secrets": {"TOKEN": "pl4nted"}}
    try:
        docker.put(volume, props["image"], {"word": "open"}, mode=0o600)
        line = f'cat file {props["root"]}/secrets/word; echo " $PLACE $TOKEN"'
        JobProvider().create({**given, "argv": ["sh", "-c", line]})
        assert said(props) == "hereopen there pl4nted\n"
        assert docker.state(props["container"]) is None
        with pytest.raises(RuntimeFailed, match=r"^job 'job' ended with exit code 3, expected 0; its last log lines: \*\*\*;"):
            JobProvider().create({**given, "argv": ["sh", "-c", "echo $TOKEN; exit 3"]})
        assert docker.state(props["container"]) is None
    finally:
        docker.ask(["volume", "rm", "--force", volume])
