"""The picture of an attempt in time."""

from __future__ import annotations

import pytest

from sluice.core.report.gantt import timeline
from sluice.core.report.lines import attempts
from tests.fixtures.journal import bad, good


def test_timeline():
    """One row a moment, in the order in which they began; both smoke tests are in one; a bar that failed says so."""
    rows = timeline(attempts(bad(), [])[0])
    assert [row.moment for row in rows] == ["preflight", "backup", "expand", "deploy", "health", "smoke", "canary"]
    assert [row.text for row in rows][-2:] == ["1.4 s", "2.0 s, failed"]
    at, width, state, text = rows[-1].bars[0]
    assert (state, text) == ("failed", "13:00:09 to 13:00:11, 2.0 s, failed")
    assert at + width == pytest.approx(97, abs=2)
    good_rows = {row.moment: row for row in timeline(attempts(good(), [])[0])}
    assert len(good_rows["smoke"].bars) == 2
