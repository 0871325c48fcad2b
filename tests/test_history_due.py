"""A way back that is under way, as others see it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.core.moment import Moment
from sluice.core.record import Record
from sluice.history.due import deadline
from sluice.history.journal import note
from tests.fixtures.journal import NOON
from tests.test_history_journal import stack

LIVE = Record.read({"id": "1.3.0-a", "version": "1.3.0", "kind": "minor", "services": {}, "at": NOON}).text


def test_deadline(tmp_path: Path):
    """What somebody has asked for by the command is due for whoever reads the journal."""
    seen = stack(tmp_path, journal=str(tmp_path / "journal.jsonl"), proven=[LIVE])
    assert deadline(seen) is None
    assert note(seen, Moment.ROLLBACK, "it is down", release=seen.configured or "", figures={"level": "P0"}) == []
    found = deadline(seen)
    assert found
    assert (found.severity, found.within) == ("P0", 180)


@pytest.mark.parametrize("place", ["", "gone/journal.jsonl", "."])
def test_nobody_knows(tmp_path: Path, place: str):
    """Without a journal that can be read nothing is known, and nothing is made up."""
    outputs = {"journal": str(tmp_path / place)} if place else {}
    assert deadline(stack(tmp_path, proven=[LIVE], **outputs)) is None
