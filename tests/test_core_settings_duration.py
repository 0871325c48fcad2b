"""Durations as people write them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.settings.duration import WRONG, seconds, text

GOOD: list[tuple[Any, float]] = [
    (0, 0), (30, 30), (1.5, 1.5), ("1.5", 1.5), ("90", 90), ("0s", 0), ("30s", 30), ("500ms", 0.5), ("15m", 900), ("1h30m", 5400),
    ("7d", 604800), ("1.5h", 5400), ("1d2h3m4s5ms", 93784.005), (366 * 86400, 366 * 86400),
]  # fmt: skip
BAD: list[Any] = [
    "",
    " ",
    "5 m",
    "m",
    "30m1h",
    "1h1h",
    "-1s",
    "1e3",
    "five",
    -1,
    True,
    None,
    [],
    {},
    float("nan"),
    float("inf"),
    10**400,
    "367d",
    "9" * 400,
]


@pytest.mark.parametrize(("given", "wanted"), GOOD)
def test_seconds(given: Any, wanted: float):
    """A duration is a number of seconds, or parts from large to small."""
    assert seconds(given) == pytest.approx(wanted)


@pytest.mark.parametrize("given", BAD)
def test_wrong(given: Any):
    """Anything else is refused, and not repeated."""
    with pytest.raises(ValueError, match=r"^is not a duration of at most a year: ") as caught:
        seconds(given)
    assert str(caught.value) == WRONG


@given(st.integers(0, 366 * 86_400_000))
def test_text(milliseconds: int):
    """What is written reads as the same duration."""
    assert seconds(text(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


def test_text_short():
    """A duration is written without the parts that it has not."""
    assert [text(value) for value in (0, 0.5, 90, 5400, 86400, 90061.001)] == ["0s", "500ms", "1m30s", "1h30m", "1d", "1d1h1m1s1ms"]
