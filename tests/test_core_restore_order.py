"""Restores that were asked for."""

from __future__ import annotations

import pytest

from sluice.core.restore.order import Aside, aside, expired

AT = 1_700_000_000.0


@pytest.mark.parametrize("name", ["shop", "x" * 63, "é" * 31])
def test_aside(name: str):
    """A name put aside says of what and when, and is one that the server keeps whole."""
    made = aside(name, AT, "1a2b")
    assert made.endswith("_aside_20231114t221320z1a2b")
    assert len(made.encode()) <= 63
    assert name.startswith(made.partition("_aside_")[0])
    assert aside(name, AT, "ffff") != made


def kept(name: str, since: float) -> Aside:
    return Aside(database="shop", name=name, since=since, size=3 * 2**19, backup="B1")


def test_line():
    """People are told when it was put aside, how large it is, and that it is the only one of its kind."""
    assert kept("shop_aside_1", AT).line == (
        "'shop_aside_1' was put aside at 2023-11-14 22:13:20 UTC, 1.5 MiB: 'B1' took its place, and nothing else has all of its rows"
    )


def test_expired():
    """What was put aside longer ago may go, but never the newest: it is the last way back."""
    found = [kept("c", AT - 50), kept("b", AT - 100), kept("a", AT - 101)]
    assert [one.name for one in expired(found, 100, AT)] == ["a"]
    assert [one.name for one in expired(found, 10, AT)] == ["b", "a"]
    assert expired(found[:1], 10, AT) == expired([], 10, AT) == []
