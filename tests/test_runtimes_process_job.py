"""A command that runs once."""

import re
import subprocess
import time

import pytest

from sluice.core.errors import RuntimeFailed
from sluice.runtimes.process.job import JobProvider
from sluice.systems import process

provider = JobProvider()


def job(folder, *argv, **changes):
    props = {"name": "migrate", "root": str(folder.root), "argv": list(argv), "folder": str(folder.root), "env": {}, "secrets": {}}
    return {**props, "deadline": 20.0, "run": "1", **changes}


def left(folder):
    return [path.name for place in ("run", "secrets") for path in (folder.root / place).iterdir()]


def test_create(folder):
    """A job runs where it is told, with its variables, and its output is in its log alone."""
    props = job(folder, "sh", "-c", 'pwd; echo "$A $TOKEN"', env={"A": "a"}, secrets={"TOKEN": "t"})
    outs = provider.create(props).outs
    assert outs == {**props, "exit": 0, "log": str(folder.log("migrate"))}
    assert folder.log("migrate").read_text() == f"{folder.root}\na t\n"
    assert left(folder) == []


def test_diff(folder):
    """A job runs again when an input changes, and only then."""
    props = job(folder, "true")
    outs = provider.create(props).outs
    assert not provider.diff("migrate", outs, props).changes
    assert provider.diff("migrate", outs, {**props, "run": "2"}).changes


def test_fails(folder):
    """A job that fails is one line with the code and what it said last, without its secrets."""
    with pytest.raises(RuntimeFailed) as error:
        provider.create(job(folder, "sh", "-c", "echo no; echo key $TOKEN >&2; exit 3", secrets={"TOKEN": "hunter2"}))
    log = folder.log("migrate")
    wanted = f"job 'migrate' ended with exit code 3, expected 0; its last log lines: no | key ***; all of them: '{log}'"
    assert str(error.value) == wanted
    assert left(folder) == []


def test_deadline(folder):
    """A job that is not done in time is ended with all that it has started."""
    with pytest.raises(RuntimeFailed, match=r"^job 'migrate' was not done within 0 s, and was ended; "):
        provider.create(job(folder, "sh", "-c", "sleep 61 & echo $!; wait", deadline=0.3))
    child = int(re.findall(r"^\d+$", folder.log("migrate").read_text(), re.M)[0])
    assert process.started(child) is None


def test_leftover(folder):
    """A job that a killed update has left running is ended before it runs again: never two at once."""
    with subprocess.Popen(["sleep", "61"]) as old:
        folder.pidfile("migrate").write_text(str(old.pid))
        begun = time.monotonic()
        provider.create(job(folder, "true"))
        assert old.wait(timeout=5) == -15
        assert time.monotonic() - begun < 9
