"""What `sluice backup` says before it saves; what it does is in test_engine_check and test_systems_save."""

from __future__ import annotations

from sluice.cli.backup import strange


def test_a_database_that_is_no_longer_declared():
    """A database that the stack has, and its program no longer, is told instead of left out without a word."""
    why = "the program here does not declare 'old', which the stack has: it declares shop"
    assert strange(["shop", "old"], ["shop"]) == [why]
    assert strange(["shop"], ["shop", "new"]) == []
