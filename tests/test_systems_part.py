"""The files of a backup."""

from __future__ import annotations

import hashlib
import tracemalloc
from pathlib import Path

import pytest

from sluice.core.errors import Interrupted
from sluice.systems import part


def nothing() -> None:
    """Look at nothing."""


def test_parts(tmp_path: Path):
    """Files are described by their place inside, and become their user's alone."""
    (tmp_path / "dump").mkdir()
    (tmp_path / "dump" / "toc").write_bytes(b"abc")
    (tmp_path / "all").write_bytes(b"")
    one, two = part.parts(tmp_path, nothing)
    assert (one.name, two.name, two.size, two.sha256) == ("all", "dump/toc", 3, hashlib.sha256(b"abc").hexdigest())
    assert (tmp_path / "all").stat().st_mode & 0o777 == 0o600


def test_flat(tmp_path: Path):
    """A large file is hashed in little memory."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(64 << 20)
    tracemalloc.start()
    part.digest(path, nothing)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A hash in progress is stopped by whoever looks."""
    monkeypatch.setattr(part, "CHUNK", 1)
    (tmp_path / "long").write_bytes(b"x" * 300)

    def stop() -> None:
        raise Interrupted("stop")

    with pytest.raises(Interrupted, match=r"^stop$"):
        part.digest(tmp_path / "long", stop)


def test_settle(tmp_path: Path):
    """A folder gets its name with its last file in it, at once."""
    partial = tmp_path / "home" / ".x.partial"
    partial.mkdir(parents=True)
    (partial / "dump").write_text("d")
    part.settle(partial, tmp_path / "home" / "x", "manifest.json", "{}")
    assert {path.name for path in (tmp_path / "home" / "x").iterdir()} == {"dump", "manifest.json"}
    assert not partial.exists()
