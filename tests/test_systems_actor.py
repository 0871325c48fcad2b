"""Who acts, by this machine."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from sluice.core.journal import JOBS
from sluice.systems import actor


def test_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The user of this machine, its name, and the commit of the program's folder; no commit outside a repository."""
    for mark, *_ in JOBS:
        monkeypatch.delenv(mark, raising=False)
    monkeypatch.setenv("LOGNAME", "ada")
    assert (actor.here(tmp_path).text, actor.here(tmp_path).git) == (f"ada on {socket.gethostname()}", None)
    for words in (["init", "-q"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()
    assert actor.here(tmp_path).git == head


def test_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Where there is no git, as in many images that only deploy, there is no commit to name."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert actor.here(Path(__file__).parent).git is None


def test_nobody(monkeypatch: pytest.MonkeyPatch):
    """A user without a name, as in containers, is a number."""

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr(actor.getpass, "getuser", nameless)
    monkeypatch.setattr(actor.os, "getuid", lambda: 1234)
    assert actor.user() == "user 1234"
