"""What Prometheus is told of a release."""

from __future__ import annotations

from sluice.core.journal import Event
from sluice.core.report.gauge import gauges
from sluice.core.report.lines import attempts
from tests.fixtures.journal import ADA, bad, good


def told(events: list[Event], name: str) -> dict[str, float]:
    (one,) = attempts(events, [])
    return {" ".join(made.labels.values()): made.value for made in gauges(events[0].release, one) if made.name == f"sluice_release_{name}"}


def test_result():
    """Exactly one result is 1; the others are there too, so that a graph has no holes."""
    for events, end in ((good(), "proven"), (bad(), "failed")):
        found = told(events, "result")
        assert ([name for name, value in found.items() if value], len(found)) == ([end], 6)


def test_figures():
    """A release is named, and its steps, checks and requests are counted; two steps of one moment are one figure."""
    assert told(good(), "info") == {f"1.1.0-0d2f3a 1.1.0 ada {ADA.git}": 1}
    assert told(bad(), "checks")["canary failed"] == 1
    assert told(good(), "requests") == {"answered": 550, "failed": 0}
    assert round(told(good(), "step_seconds")["smoke"], 3) == 2.6
