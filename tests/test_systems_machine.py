"""The machine itself: disks, ports, and who works where."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sluice.systems import machine

BUSY = """
import subprocess
while True:
    some = [subprocess.Popen(["sleep", "0.05"]) for _ in range(4)]
    [one.wait() for one in some]
"""


def test_disks(tmp_path: Path):
    """Places on one file system are one disk, with all that is wanted of it; a folder that is not there yet is on its parent's."""
    (tmp_path / "a").mkdir()
    (one,) = machine.disks({"backups": (str(tmp_path / "a"), 10), "data": (str(tmp_path / "b" / "c"), 20)})
    assert (one.path, one.needed) == (str(tmp_path / "a"), 30)
    assert one.purposes == ["backups", "data"]
    facts = os.statvfs(tmp_path)
    assert 0 < one.free <= one.size <= facts.f_blocks * facts.f_frsize


def test_memory_and_load():
    """What is available is part of what there is."""
    available, total = machine.memory()
    assert 0 < available < total
    one, cores = machine.load()
    assert one >= 0
    assert cores >= 1


def test_listeners():
    """Who listens on a port is named by its process; a port on which nobody does has none."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as other:
        port, quiet = server.getsockname()[1], other.getsockname()[1]
        other.close()
        found = machine.listeners([port, quiet])
    assert {number: one.pid for number, one in found.items()} == {port: os.getpid()}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "app").mkdir(parents=True)
    return folder


def test_strays(place: Path):
    """A process that works below the folder is a stray unless a pidfile names it; what that one has started is its family."""
    with subprocess.Popen([sys.executable, "-c", "input()"], cwd=place / "app", stdin=subprocess.PIPE) as child:
        try:
            pidfile = place / "pid"
            assert set(machine.strays(place, [pidfile])) == {child.pid}
            assert machine.strays(place.parent / "other", []) == {}
            pidfile.write_text(f"{child.pid}\n")
            assert machine.strays(place, [pidfile]) == {}
            assert machine.family(pidfile) == [child.pid]
        finally:
            child.kill()
    assert machine.family(place / "pid") == []


def test_strays_born(place: Path):
    """A server's child that is born while one looks belongs to it, and one that ends meanwhile is nobody."""
    busy = "import subprocess\nwhile True: subprocess.run(['true'])"
    with subprocess.Popen([sys.executable, "-c", busy], cwd=place) as server:
        try:
            pidfile = place / "pid"
            pidfile.write_text(f"{server.pid}\n")
            assert [machine.strays(place, [pidfile] * 5) for _ in range(40)] == [{}] * 40
        finally:
            server.kill()


def test_mode(place: Path):
    """A file's bits, or that it is not there."""
    (place / "pass").touch(mode=0o600)
    assert (machine.mode(place / "pass"), machine.mode(place / "none")) == (0o600, None)
