"""What a preview foresees, in lines as the engine writes them."""

from __future__ import annotations

import json

from sluice.core.foreseen import foresee, read


def said(text: str, severity: str = "warning") -> str:
    return json.dumps({"diagnosticEvent": {"severity": severity, "message": f"<{{%fg 3%}}>warning: <{{%reset%}}>{text}\n"}})


def test_read():
    """Every reason of every step is found, in order; other warnings, and what is no event, say nothing."""
    lines = [
        said(foresee(["deployment window: closed", "approval: missing"])),
        said("a plugin is old"),
        said(foresee(["shown as news"]), "info"),
        '{"torn',
        said(foresee(["shop: no backup"])),
    ]
    assert read(lines) == ["deployment window: closed", "approval: missing", "shop: no backup"]


def test_none():
    """A preview that warns of nothing foresees nothing."""
    assert read([]) == []
