"""Sizes as people write them."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.core.settings.size import WRONG, count, seen, text


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("500MB", 500_000_000), ("1.5GB", 1_500_000_000), ("1.5 GB", 1_500_000_000), ("512MiB", 2**29), ("2TiB", 2**41), ("7kB", 7000),
        ("3KiB", 3072), ("12B", 12), ("12", 12), (12, 12), (12.0, 12), (0, 0), ("1000TB", 10**15),
    ],
)  # fmt: skip
def test_count(given: Any, wanted: int):
    """A size is a number with its unit, or of bytes, in any form that the engine gives it."""
    assert count(given) == wanted


@pytest.mark.parametrize(
    "given", ["", "MB", "500mb", "500 M", "-1MB", "1,5GB", "1001TB", -1, True, None, [], float("nan"), float("inf"), 10**400]
)
def test_wrong(given: Any):
    """What could be read in two ways, and what is none, is refused."""
    with pytest.raises(ValueError, match=r"^is not a size") as caught:
        count(given)
    assert str(caught.value) == WRONG


@pytest.mark.parametrize("size", [0, 12, 500_000_000, 1_500_000_000, 2**29, 2**30, 7000, 3072, 1_000_001])
def test_text(size: int):
    """A size is written so that it reads as the same one."""
    assert count(text(size)) == size
    assert text(500_000_000) == "500MB"


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0B"), (999, "999B"), (290_132_411, "290MB"), (1_234_567_890, "1.23GB"), (999_900_000, "1000MB"), (7400, "7.4kB")],
)
def test_seen(size: int, said: str):
    """An observed size is told to three figures."""
    assert seen(size) == said
