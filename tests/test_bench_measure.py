"""Two things measured side by side."""

from __future__ import annotations

from bench.measure import interleaved, ratio


def test_interleaved():
    """Every round times every side once, in order."""
    called: list[str] = []
    found = interleaved({"a": lambda: called.append("a"), "b": lambda: called.append("b")}, 3)

    assert called == ["a", "b"] * 3
    assert {name: len(times) for name, times in found.items()} == {"a": 3, "b": 3}


def test_ratio():
    """Rounds are compared one by one: a slow minute that slows both sides changes nothing."""
    assert ratio([1.2, 12.0, 1.2], [1.0, 10.0, 1.0]) == 1.2
