"""What the machine that deploys lacks."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import psutil
import pytest

from sluice.core.requirement import Requirement
from sluice.systems.runner import lacks
from tests.fixtures.front import free

HUGE = 2**60


def test_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A machine that has everything lacks nothing; a folder that is still to be made is on its parent's disk."""
    monkeypatch.setenv("SLUICE_TEST", "1")
    wanted = {
        "disk_free_bytes": {str(tmp_path / "to" / "come"): 1},
        "memory_free_bytes": 1,
        "ports_free": [free()],
        "variables": ["SLUICE_TEST"],
        "executables": ["sh"],
    }
    assert lacks(Requirement.read(wanted)) == []


def test_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """All that is missing is told at once, each with a remedy; an empty variable is not set."""
    monkeypatch.setenv("SLUICE_TEST", "")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        wanted = {
            "disk_free_bytes": {str(tmp_path): HUGE},
            "memory_free_bytes": HUGE,
            "ports_free": [port],
            "variables": ["SLUICE_TEST"],
            "executables": ["no-such-thing"],
            "servers": {"cache": f"redis://127.0.0.1:{(gone := free())}", "door": f"tcp://127.0.0.1:{port}"},
            "committed": {str(tmp_path): []},
        }
        disk, memory, *others, commit = lacks(Requirement.read(wanted))
    assert disk.startswith(f"disk at '{tmp_path}' has ")
    assert disk.endswith(f" MiB free of {HUGE // 2**20} MiB needed: free some space")
    assert memory.endswith(f" MiB free of {HUGE // 2**20} MiB needed: stop something")
    assert others == [
        f"port {port} is taken: run: ss -ltnp 'sport = :{port}'",
        "variable SLUICE_TEST is not set: run: export SLUICE_TEST=...",
        "executable 'no-such-thing' is not on PATH: install it",
        f"server 'cache' at 127.0.0.1:{gone} cannot be reached (connection refused): start it, or correct its address",
    ]
    assert commit.startswith(f"folder '{tmp_path}' is no git checkout (")


def test_figures(tmp_path: Path):
    """The figures are the machine's own: what is free now is enough, more than there is at all is not."""
    disk, memory = shutil.disk_usage(tmp_path), psutil.virtual_memory()
    assert lacks(Requirement(disk_free_bytes={str(tmp_path): disk.free // 2}, memory_free_bytes=memory.available // 2)) == []
    assert len(lacks(Requirement(disk_free_bytes={str(tmp_path): disk.total + 1}, memory_free_bytes=memory.total + 1))) == 2
