"""Shares as people write them."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.core.settings.share import ratio, text

WRONG = "is not a share: write '5%' or 0.05"
UNCLEAR = "is not clear, per cent or so many times the whole: write '5%' or 0.05"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("5%", 0.05), ("5 %", 0.05), (0.05, 0.05), ("0.05", 0.05), ("100%", 1.0), (0, 0.0), ("0%", 0.0), ("0.1%", 0.001), (0.00001, 0.00001)],
)
def test_ratio(given: Any, wanted: float):
    """A share is per cent with the sign, or a number below 1."""
    assert ratio(given) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (5, UNCLEAR), (1, UNCLEAR), (1.0, UNCLEAR), ("85", UNCLEAR), ("1", UNCLEAR), (10**400, UNCLEAR), (float("inf"), UNCLEAR),
        ("101%", "is more than the whole: write '5%' or 0.05"),
        ("", WRONG), ("%", WRONG), ("5%%", WRONG), ("-5%", WRONG),
        (-0.1, WRONG), (True, WRONG), (None, WRONG), (float("nan"), WRONG), ([], WRONG),
    ],
)  # fmt: skip
def test_wrong(given: Any, why: str):
    """A number that could be per cent or a multiple is refused, like all else that is no share."""
    with pytest.raises(ValueError, match=r"^is ") as caught:
        ratio(given)
    assert str(caught.value) == why


def test_text():
    """A share is written in per cent."""
    assert [text(share) for share in (0, 0.005, 0.05, 0.8, 1)] == ["0%", "0.5%", "5%", "80%", "100%"]
