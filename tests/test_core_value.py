"""What all values that travel have in common."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sluice.core.value import Value


class Point(Value):
    """A value to try."""

    x: int
    label: str | None = None


def test_travels():
    """A value comes back from its wire, without the keys that are None, and a double that is whole is an integer."""
    assert Point(x=1).wire() == {"x": 1}
    assert Point.read({"x": 1.0}) == Point(x=1)
    assert isinstance(Point.read({"x": 1.0}).x, int)


def test_frozen():
    """A value never changes."""
    with pytest.raises(ValidationError):
        Point(x=1).x = 2  # type: ignore[misc]


def test_unknown():
    """A key that nobody knows is refused."""
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Point.read({"x": 1, "y": 2})


def test_an_error_does_not_repeat_the_input():
    """What was wrong may be a secret, so an error does not show it."""
    with pytest.raises(ValidationError) as caught:
        Point.read({"x": "hunter2"})
    assert "hunter2" not in str(caught.value)
