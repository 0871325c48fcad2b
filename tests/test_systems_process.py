"""Processes by identity."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from sluice.core.reading import NoData
from sluice.systems import process

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"


@pytest.fixture
def child():
    """A process that sleeps."""
    child = subprocess.Popen(["sleep", "60"])
    yield child
    child.kill()
    child.wait()


def test_started(child):
    """The start time is the kernel's, and psutil has the same; a process that is gone, or a zombie, has none."""
    assert process.started(child.pid) == pytest.approx(psutil.Process(child.pid).create_time(), abs=1.0)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now
    assert process.started(child.pid) is None
    child.wait()
    assert process.started(child.pid) is None


def test_owner(tmp_path, child):
    """A pidfile names its writer."""
    pidfile = tmp_path / "pid"
    pidfile.write_text(f"{child.pid}\n")
    assert process.owner(pidfile) == child.pid


def test_owner_recycled(tmp_path, child):
    """A process that is younger than the file that names it is a stranger."""
    pidfile = tmp_path / "pid"
    pidfile.write_text(f"{child.pid}\n")
    os.utime(pidfile, (time.time() - 60,) * 2)
    assert process.owner(pidfile) is None


@pytest.mark.parametrize("text", ["", "x", "999999999"])
def test_owner_nobody(tmp_path, text):
    """A file that is empty, half written, or names nobody has no owner."""
    pidfile = tmp_path / "pid"
    pidfile.write_text(text)
    assert process.owner(pidfile) is None
    assert process.owner(tmp_path / "none") is None


def test_end():
    """A whole tree is ended, its deaf members too, and within the grace."""
    script = f'sleep 60 & {sys.executable} -c "{STUBBORN}"'
    with subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdout is not None
        assert shell.stdout.readline() == "on\n"
        tree = process.tree(shell.pid)
        process.end(tree, 0.3)
    assert len(tree) == 3
    assert [one for one in tree if process.alive(one)] == []


def test_tree_none():
    """Nobody has no tree."""
    assert process.tree(None) == []
    assert process.tree(999_999_999) == []


def test_listens():
    """A listening child counts, a stranger's port does not."""
    serve = "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); print(s.getsockname()[1], flush=True); input()"
    script = ["/bin/sh", "-c", f'{sys.executable} -c "{serve}"; true']
    with subprocess.Popen(script, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as shell:
        assert shell.stdout is not None
        port = int(shell.stdout.readline())
        assert process.listens(shell.pid, port)
        assert not process.listens(shell.pid, port + 1)
        assert not process.listens(None, port)
        shell.communicate("\n")


def test_inside(tmp_path):
    """Processes are found by the folder that they work in."""
    with subprocess.Popen(["sleep", "60"], cwd=tmp_path) as child:
        assert process.inside(tmp_path) == [child.pid]
        child.kill()
    assert process.inside(tmp_path) == []


def test_ask(tmp_path):
    """Memory and CPU are shares of the limits, as the kernel counts them."""
    pidfile = tmp_path / "pid"
    with subprocess.Popen([sys.executable, "-c", "print('on', flush=True)\nwhile True: pass"], stdout=subprocess.PIPE) as busy:
        assert busy.stdout is not None
        busy.stdout.readline()
        pidfile.write_text(str(busy.pid))
        rss = psutil.Process(busy.pid).memory_info().rss
        memory = process.ask("process.memory", {"pidfile": str(pidfile), "memory": rss * 2}, 1)
        cpu = process.ask("process.cpu", {"pidfile": str(pidfile), "cpu": 0.5}, 1)
        age = process.ask("process.age", {"pidfile": str(pidfile)}, 1)
        busy.kill()
    assert memory.value == pytest.approx(0.5, abs=0.1)
    assert memory.evidence.endswith(" MiB")
    assert 0.2 < cpu.value < 2.5  # half a core is its limit; the machine may be busy
    assert cpu.evidence.endswith(" of 0.5 cores")
    assert 0 <= age.value < 60


def test_ask_gone(tmp_path):
    """A program that does not run is no data, never a good figure."""
    pidfile = str(tmp_path / "none")
    for question, limit in (("memory", {"memory": 1}), ("cpu", {"cpu": 1}), ("age", {})):
        assert process.ask(f"process.{question}", {"pidfile": pidfile, **limit}, 1) == NoData(f"no process of '{pidfile}' runs")


def test_ask_without_limit(tmp_path):
    """A share of nothing is refused."""
    with pytest.raises(ValueError, match=r"^'process\.memory' needs 'memory'$"):
        process.ask("process.memory", {"pidfile": "x"}, 1)
