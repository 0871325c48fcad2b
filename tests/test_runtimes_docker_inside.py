"""What runs in the front's container: all of it but the container, in a folder of a test."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sluice.runtimes.docker import inside
from sluice.systems.keeper import file
from tests.fixtures.front import Front

VERSION = "web@1.0-3fa2"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of a front that does not run."""
    place(monkeypatch, tmp_path, str(tmp_path / "admin.sock"))
    return tmp_path


def place(monkeypatch: pytest.MonkeyPatch, folder: Path, admin: str) -> None:
    monkeypatch.setattr(inside, "FOLDER", folder)
    monkeypatch.setattr(inside, "ADMIN", Path(admin))
    monkeypatch.setattr(inside, "SPLIT", {**inside.SPLIT, "folder": str(folder), "admin": admin})


def test_light():
    """Pulumi is in no image, and what runs there needs none of it."""
    code = "import sys, sluice.runtimes.docker.inside, sluice.systems.splits.serve; print('pulumi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_serve(here: Path, monkeypatch: pytest.MonkeyPatch):
    """It becomes supervisord, with Envoy, and a keeper that is stopped first; the door is closed, and routes that exist stay."""
    ran: list[Any] = []
    monkeypatch.setattr(inside.os, "execv", lambda *words: ran.append(words))
    (here / "admin.sock").touch()
    inside.main("serve")
    assert ran == [(sys.executable, [sys.executable, "-m", "supervisor.supervisord", "-c", str(here / "supervisord.conf")])]
    assert not (here / "admin.sock").exists()
    address = json.loads((here / "lds.json").read_text())["resources"][0]["address"]
    assert address == {"socket_address": {"address": "0.0.0.0", "port_value": 8080}}
    assert "no version is live yet" in (here / "rds.json").read_text()
    conf = (here / "supervisord.conf").read_text()
    assert (
        conf.index("[program:envoy]\ncommand=") < conf.index("priority=1\n") < conf.index("[program:keeper]") < conf.index("priority=2\n")
    )
    assert f"command={sys.executable} -m sluice.systems.keeper '{json.dumps(inside.SPLIT, sort_keys=True)}'\n" in conf
    (here / "rds.json").write_text("somebody's")
    inside.main("serve")
    assert (here / "rds.json").read_text() == "somebody's"


@pytest.mark.embedded
def test_register(front: Front, monkeypatch: pytest.MonkeyPatch):
    """A version is known to Envoy with an address when the call returns, by a name that has to be resolved too; and forgotten once."""
    (front.folder / "clusters").mkdir()
    place(monkeypatch, front.folder, front.admin)
    inside.main("register", VERSION, "localhost", "8080")
    from sluice.systems import envoy

    pattern = rf"^cluster\.{VERSION}\.membership_total$"
    assert envoy.stats(front.admin, pattern)[0]["value"] == 1
    for _ in range(2):
        inside.main("unregister", VERSION)
    assert json.loads((front.folder / "cds.json").read_text())["resources"] == []


@pytest.mark.embedded
def test_ready(front: Front, monkeypatch: pytest.MonkeyPatch):
    """The door is ready when Envoy answers and the keeper gives signs that this Sluice understands."""
    place(monkeypatch, front.folder, front.admin)
    with pytest.raises(SystemExit) as error:
        inside.main("ready", str(file.FORMAT))
    assert str(error.value) == "the keeper gives no sign"
    file.say(front.folder, {"judges": "", "ended": None})
    file.sign(front.folder, time.time())
    inside.main("ready", str(file.FORMAT))


def test_not_ready(here: Path):
    """A door whose Envoy is down is told as such, in one line."""
    with pytest.raises(SystemExit) as error:
        inside.main("ready", str(file.FORMAT))
    assert str(error.value) == f"envoy's admin socket '{here}/admin.sock' does not answer (ConnectError): is the proxy up?"


def test_another_sluice(here: Path):
    """An image whose Sluice could not read what it will be told is told so, before any traffic depends on it."""
    with pytest.raises(SystemExit) as error:
        inside.main("ready", str(file.FORMAT + 1))
    assert str(error.value) == (
        f"the Sluice in this image reads leases of format {file.FORMAT}, and the one that deploys writes {file.FORMAT + 1}:"
        " build the image with the same one"
    )
