"""What must be so before a release begins."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sluice.core.requirement import Fact, Requirement


@pytest.mark.parametrize(
    ("fact", "line"),
    [
        (Fact(name="window", ok=False), "window: is not so"),
        (Fact(name="window", ok=False, why="closed"), "window: closed"),
        (Fact(name="window", ok=False, why="closed", command="date"), "window: closed; run: date"),
    ],
)
def test_line(fact: Fact, line: str):
    """A fact that is not so says what, why, and the command that mends it, as far as they are known."""
    assert fact.line == line


def test_nothing_required():
    """Who requires nothing requires nothing."""
    assert Requirement().wire() == {
        "disk_free_bytes": {},
        "memory_free_bytes": 0,
        "ports_free": [],
        "variables": [],
        "executables": [],
        "servers": {},
        "committed": {},
        "engine": "",
        "images": {},
    }
    with pytest.raises(ValidationError):
        Requirement(memory_free_bytes=-1)


def test_on():
    """What a place requires comes on top of what a team does, which stays."""
    team = Requirement(variables=["TOKEN"], images={"a": 1, "b": 2})
    assert team.on(Requirement()) == team
    placed = team.on(Requirement(engine="20.10", images={"b": 3}))
    assert placed == Requirement(variables=["TOKEN"], engine="20.10", images={"a": 1, "b": 3})


@pytest.mark.parametrize(
    ("team", "place", "wanted"), [("", "20.10", "20.10"), ("28", "20.10", "28"), ("9.1", "20.10", "20.10"), ("20.10.5", "20.10", "20.10.5")]
)
def test_engine(team: str, place: str, wanted: str):
    """Of two wishes for an engine the newer one holds, by numbers."""
    assert Requirement(engine=team).on(Requirement(engine=place)).engine == wanted
