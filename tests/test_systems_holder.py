"""Who holds a file's lock, and what to type about it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sluice.systems import holder
from tests.fixtures.grip import held

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says who holds a lock")


@pytest.mark.parametrize(
    ("stopped", "text"),
    [
        (True, "pid {pid} holds it, and is stopped: `kill -CONT {pid}` lets it go on, `kill -9 {pid}` ends it; then try again"),
        (False, "pid {pid} holds it: see `ps -fp {pid}`, wait for its end or end it, then try again"),
    ],
)
def test_held(tmp_path: Path, stopped: bool, text: str):
    """The holder is named, whoever else has the file open, and one that is stopped has a command of its own."""
    path = tmp_path / "a lock"
    with path.open("a") as file, held(tmp_path / "other"), held(path, stopped=stopped) as pid:
        assert holder.find(file.fileno()) == pid
        assert holder.said(file.fileno(), path) == text.format(pid=pid)


def test_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A lock that nobody is known to hold, and a system that does not say, name the command that may."""
    path = tmp_path / "a lock"
    text = f"`fuser -v '{path}'` shows who holds it; let that end, then try again"
    with path.open("a") as file:
        assert holder.said(file.fileno(), path) == text
        with held(path):
            monkeypatch.setattr(holder, "LOCKS", tmp_path / "none")
            assert holder.said(file.fileno(), path) == text
