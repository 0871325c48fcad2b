"""Restores that were asked for."""

from __future__ import annotations

import pytest

from sluice.core.restore.order import aside

AT = 1_700_000_000.0


@pytest.mark.parametrize("name", ["shop", "x" * 63, "é" * 31])
def test_aside(name: str):
    """A name put aside says of what and when, and is one that the server keeps whole."""
    made = aside(name, AT, "1a2b")
    assert made.endswith("_aside_20231114t221320z1a2b")
    assert len(made.encode()) <= 63
    assert name.startswith(made.partition("_aside_")[0])
    assert aside(name, AT, "ffff") != made
