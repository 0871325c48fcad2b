"""Where stacks live."""

from pathlib import Path

import pytest

from sluice.systems import home as module


@pytest.mark.parametrize(
    ("user", "told", "state", "expected"),
    [
        (0, "/x", "/s", "/x"),
        (0, None, "/s", "/var/lib/sluice"),
        (1000, None, "/s", "/s/sluice"),
        (1000, None, None, "/home/me/.local/state/sluice"),
    ],
)
def test_home(monkeypatch, user, told, state, expected):
    """Stacks live where SLUICE_HOME says, else where PostgreSQL's user can enter, else in the user's own state."""
    monkeypatch.setattr(module.os, "geteuid", lambda: user)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    for name, value in (("SLUICE_HOME", told), ("XDG_STATE_HOME", state)):
        monkeypatch.delenv(name, raising=False)
        if value:
            monkeypatch.setenv(name, value)
    assert str(module.home()) == expected


def test_folder(monkeypatch, tmp_path):
    """A stack has a folder of its own there, and in it its journal, whose path is whole wherever the command is typed."""
    monkeypatch.setenv("SLUICE_HOME", "there")
    monkeypatch.chdir(tmp_path)
    assert str(module.folder("shop", "production")) == "there/shop-production"
    assert module.journal("shop", "production") == tmp_path / "there" / "shop-production" / "journal.jsonl"
