"""A mark, as config has it."""

from __future__ import annotations

from sluice.core.settings.mark import Mark
from sluice.core.settings.rollout import Rollout


def test_name():
    """A mark is called by its time, however that was written."""
    assert [mark.name for mark in Rollout.read({"marks": ["90m", {"after": 7200}]}).marks] == ["1h30m", "2h"]


def test_short():
    """A duration alone is a mark with the default limits."""
    assert Rollout.read({"marks": ["10m"]}).marks == [Mark(after=600)]


def test_none():
    """A stack can do without marks."""
    assert Rollout.read({"marks": []}).marks == []
