"""redcube's declaration."""

from __future__ import annotations

from examples.redcube.stack import journeys
from sluice.core.journey import parse


def names(flags: dict[str, bool]) -> list[str]:
    return [step.name for journey in parse(journeys(flags)) for step in (*journey.steps, *journey.cleanup)]


def test_smoke_tests_know_the_kill_switch() -> None:
    """With the analysis switched off the smoke tests do not walk through it, and are still sound; otherwise they do."""
    assert "analyze a text" in names({})
    assert "analyze a text" in names({"UGC_ANALYSIS": True})
    left = names({"UGC_ANALYSIS": False})
    assert not [name for name in left if "analy" in name]
    assert "register" in left
