"""Who holds a stack's lock, as a file backend tells it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sluice.history.locks import holders
from sluice.history.pulumi import Pulumi


def told(tmp_path: Path, text: str) -> list[tuple[str, bool]]:
    """Return what is said of a lock file with that text."""
    (tmp_path / "Pulumi.yaml").write_text("name: shop\n")
    path = tmp_path / ".pulumi" / "locks" / "organization" / "shop" / "dev" / "1.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return holders(Pulumi(tmp_path, "dev"), f"file://{tmp_path}")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"pid"', "7"])
def test_no_lock(tmp_path: Path, text: str):
    """A file in the place of a lock that says nothing of its holder holds the stack all the same, and breaks nothing."""
    path = tmp_path / ".pulumi" / "locks" / "organization" / "shop" / "dev" / "1.json"
    assert told(tmp_path, text) == [(f"'{path}' holds the stack: `pulumi cancel --stack dev` if nobody works on it", False)]


@pytest.mark.parametrize(
    ("pid", "host", "dead"), [("alive", "", False), ("gone", "", True), ("gone", "elsewhere", False), ("12", "", False), (None, "", False)]
)
def test_holder(tmp_path: Path, pid: Any, host: str, dead: bool):
    """Whoever holds it is dead only where that can be known: a process of this machine that is not there."""
    if pid == "alive":
        pid = os.getpid()
    elif pid == "gone":
        with subprocess.Popen([sys.executable, "-c", ""]) as child:
            pid = child.pid
    host = host or socket.gethostname()
    ((said, known),) = told(tmp_path, json.dumps({"pid": pid, "username": "ada", "hostname": host, "timestamp": "T"}))
    ending = "and is dead: run `pulumi cancel --yes --stack dev`" if dead else "wait for its end, or end it with `sluice abort --stack dev`"
    assert said == f"pid {pid} of ada on {host} holds the stack since T{', ' if dead else ': '}{ending}"
    assert known is dead
