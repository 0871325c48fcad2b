"""A version from inside: its log and its memory."""

from __future__ import annotations

import pytest

from sluice.core.diagnosis import service
from sluice.core.reading import NoData, Number, Reading, Unasked


@pytest.mark.parametrize(
    ("found", "state", "line"),
    [
        (Number(value=0.05, evidence="1 of 20"), "ok", "5.0% errors (1 of 20) in the last 15m"),
        (
            Number(value=0.051, evidence="51 of 1000"),
            "warning",
            "5.1% errors (51 of 1000) in the last 15m, expected at most 5%: the log has them; run: tail -n 50 /log",
        ),
        (NoData("no lines"), "ok", "no line in the last 15m"),
        (Unasked("no file '/log'"), "unknown", "no file '/log'"),
    ],
)
def test_log(found: Reading, state: str, line: str):
    """More errors than one line in twenty are told, without the lines; silence is no error, and a log that is gone is not known."""
    one = service.log("web@1", found, "/log")
    assert (one.state.value, one.line) == (state, f"log of web@1: {line}")


@pytest.mark.parametrize(
    ("found", "state", "line"),
    [
        (Number(value=0.85, evidence="435 of 512 MiB"), "ok", "85% of its limit (435 of 512 MiB)"),
        (
            Number(value=0.9, evidence="461 of 512 MiB"),
            "warning",
            "90% of its limit (461 of 512 MiB), expected at most 85%: it takes more than it was meant to, or leaks; run: ps",
        ),
        (NoData("no process runs"), "unknown", "no process runs"),
    ],
)
def test_memory(found: Reading, state: str, line: str):
    """What a version takes is compared with its own limit."""
    one = service.memory("web@1", found, "ps")
    assert (one.state.value, one.line) == (state, f"memory of web@1: {line}")
