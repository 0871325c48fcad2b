"""A version from inside: what it writes into its log, and what it takes of its memory."""

from __future__ import annotations

import shlex

from sluice.core.commands.docker import latest
from sluice.core.diagnosis.finding import Finding, State, fine, unknown
from sluice.core.reading import NoData, Number, Reading
from sluice.core.settings.duration import text as span

AREA = "services"
# Runbook 004, "Key Metrics to Monitor": more errors than 5 % are investigated at once, more memory than 85 % is looked into.
ERRORS, MEMORY = 0.05, 0.85
# What is older is another story.
SINCE = 900.0


def log(name: str, reading: Reading, path: str) -> Finding:
    """Judge the share of a log's last lines that are errors."""
    what, within = f"log of {name}", f"in the last {span(SINCE)}"
    if isinstance(reading, NoData):
        return fine(AREA, what, f"no line {within}")
    if not isinstance(reading, Number):
        return unknown(AREA, what, reading.why)
    seen = f"{float(reading.value):.1%} errors ({reading.evidence}) {within}"
    if float(reading.value) <= ERRORS:
        return fine(AREA, what, seen)
    # The lines themselves may hold anything, and are not told.
    told = {"seen": seen, "expected": f"at most {ERRORS:.0%}", "cause": "the log has them", "next": shlex.join(latest(path, 50))}
    return Finding(area=AREA, what=what, state=State.WARNING, **told)


def memory(name: str, reading: Reading, next: str) -> Finding:
    """Judge what a version takes of the memory that it was given; one that does not run is told elsewhere."""
    what = f"memory of {name}"
    if not isinstance(reading, Number):
        return unknown(AREA, what, reading.why)
    seen = f"{float(reading.value):.0%} of its limit ({reading.evidence})"
    if float(reading.value) <= MEMORY:
        return fine(AREA, what, seen)
    cause = "it takes more than it was meant to, or leaks"
    told = {"seen": seen, "expected": f"at most {MEMORY:.0%}", "cause": cause, "next": next}
    return Finding(area=AREA, what=what, state=State.WARNING, **told)
