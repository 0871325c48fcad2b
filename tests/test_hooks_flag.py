"""A flag in a stack is what config says, in the world too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sluice.core.errors import Unreachable
from sluice.hooks.flag import FlagProvider
from sluice.systems import flags

PROVIDER = FlagProvider()


@pytest.fixture
def props(tmp_path: Path) -> dict[str, Any]:
    return {"file": str(tmp_path / "flags.json"), "flag": "beta", "on": True}


def seen(props: dict[str, Any]) -> dict[str, bool]:
    return flags.read(Path(props["file"]))


def test_switch(props: dict[str, Any]):
    """A flag is switched on creation and on every update."""
    created = PROVIDER.create(props)
    assert (created.id, created.outs, seen(props)) == ("beta", props, {"beta": True})
    off = {**props, "on": False}
    assert PROVIDER.update("beta", props, off).outs == off
    assert seen(props) == {"beta": False}


def test_diff(props: dict[str, Any]):
    """A changed declaration is a change; so is a flag that somebody switched by hand, or a file that is gone."""
    PROVIDER.create(props)
    assert PROVIDER.diff("beta", props, props).changes is False
    assert PROVIDER.diff("beta", props, {**props, "on": False}).changes is True
    assert PROVIDER.diff("beta", props, {**props, "flag": "search"}).changes is True
    flags.put(Path(props["file"]), "beta", False)
    assert PROVIDER.diff("beta", props, props).changes is True
    Path(props["file"]).unlink()
    assert PROVIDER.diff("beta", props, props).changes is True


def test_move(props: dict[str, Any], tmp_path: Path):
    """A flag that moves to another file is forgotten in the old one, and one that is renamed under its old name."""
    PROVIDER.create(props)
    moved = {**props, "file": str(tmp_path / "other.json")}
    PROVIDER.update("beta", props, moved)
    assert (seen(props), seen(moved)) == ({}, {"beta": True})
    renamed = {**moved, "flag": "search"}
    PROVIDER.update("beta", moved, renamed)
    assert seen(moved) == {"search": True}


def test_delete(props: dict[str, Any]):
    """A flag that is declared no more is forgotten, twice without harm, and the others stay; no file is made for that."""
    PROVIDER.delete("beta", props)
    assert not Path(props["file"]).exists()
    PROVIDER.create(props)
    flags.put(Path(props["file"]), "search", True)
    PROVIDER.delete("beta", props)
    PROVIDER.delete("beta", props)
    assert seen(props) == {"search": True}


def test_a_broken_file(props: dict[str, Any]):
    """A file that holds no flags is not written over."""
    Path(props["file"]).write_text("{")
    with pytest.raises(Unreachable):
        PROVIDER.create(props)
    assert Path(props["file"]).read_text() == "{"
    assert PROVIDER.diff("beta", props, props).changes is True, "preview goes on; the update says why it cannot"


def test_a_file_that_is_not_known_yet(props: dict[str, Any]):
    """In preview the file may not be known: the flag is shown as a change, and nothing is looked for."""
    from pulumi.runtime.rpc import UNKNOWN

    assert PROVIDER.diff("beta", props, {**props, "file": UNKNOWN}).changes is True
