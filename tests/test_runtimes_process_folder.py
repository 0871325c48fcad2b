"""Where a stack's things are."""

import os

import pytest

from sluice.core.errors import RuntimeFailed
from sluice.runtimes.process import folder as module
from sluice.runtimes.process.folder import Folder


def test_make(folder):
    """Others may pass through the stack's folder, and read nothing but what runs."""
    folder.make()
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in [folder.root, *folder.root.iterdir()]}
    private = dict.fromkeys(("run", "conf.d", "log", "secrets"), "0o700")
    assert modes == {"toy-test": "0o711", "artifacts": "0o755", **private}


def test_sockets_short(tmp_path):
    """However deep a stack's folder is, its sockets' paths are short enough for every system."""
    deep = Folder(tmp_path / ("x" * 200))
    assert max(len(str(path)) for path in (deep.supervisor, deep.admin)) < 104 - len("/.s.PGSQL.65535")


def test_sockets_taken(tmp_path, monkeypatch):
    """A folder for the sockets that somebody else has made first is refused."""
    monkeypatch.setattr(module, "SOCKETS", tmp_path)
    folder = Folder(tmp_path / "stack")
    folder.sockets.symlink_to("/tmp")
    with pytest.raises(RuntimeFailed) as error:
        folder.make()
    mine = os.geteuid()
    assert str(error.value) == f"'{folder.sockets}' belongs to user {mine}, expected {mine}: remove it, then `pulumi up`"
