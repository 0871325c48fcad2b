"""What a restore that has begun leaves for updates that would ask nobody."""

from __future__ import annotations

from pathlib import Path

from sluice.systems import begun, shelf


def test_begun(tmp_path: Path):
    """It is noted for one database until it is forgotten, each more than once, and is no backup."""
    folder = tmp_path / "backups"
    assert not begun.noted(str(folder), "shop")
    begun.forget(str(folder), "shop")
    for _ in range(2):
        begun.note(str(folder), "shop")
    assert (begun.noted(str(folder), "shop"), begun.noted(str(folder), "users")) == (True, False)
    assert (shelf.load(folder), shelf.broken(folder)) == ([], [])
    for _ in range(2):
        begun.forget(str(folder), "shop")
    assert not begun.noted(str(folder), "shop")
