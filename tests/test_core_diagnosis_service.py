"""A version from inside: its log and its memory."""

from __future__ import annotations

from sluice.core.diagnosis import service
from sluice.core.diagnosis.finding import Finding
from sluice.core.reading import NoData, Number, Unasked


def seen(found: Finding) -> tuple[str, str]:
    return found.state.value, found.line


def test_log():
    """More errors than one line in twenty are told, without the lines; silence is no error, and a log that is gone is not known."""
    good, bad = Number(value=0.05, evidence="1 of 20"), Number(value=0.051, evidence="51 of 1000")
    assert seen(service.log("web@1", good, "/log")) == ("ok", "log of web@1: 5.0% errors (1 of 20) in the last 15m")
    told = "log of web@1: 5.1% errors (51 of 1000) in the last 15m, expected at most 5%: the log has them; run: tail -n 50 /log"
    assert seen(service.log("web@1", bad, "/log")) == ("warning", told)
    assert seen(service.log("web@1", NoData("no lines"), "/log")) == ("ok", "log of web@1: no line in the last 15m")
    assert seen(service.log("web@1", Unasked("no file '/log'"), "/log")) == ("unknown", "log of web@1: no file '/log'")


def test_memory():
    """What a version takes is compared with its own limit."""
    good, bad = Number(value=0.85, evidence="435 of 512 MiB"), Number(value=0.9, evidence="461 of 512 MiB")
    assert seen(service.memory("web@1", good, "ps")) == ("ok", "memory of web@1: 85% of its limit (435 of 512 MiB)")
    told = "memory of web@1: 90% of its limit (461 of 512 MiB), expected at most 85%: it takes more than it was meant to, or leaks; run: ps"
    assert seen(service.memory("web@1", bad, "ps")) == ("warning", told)
    assert seen(service.memory("web@1", NoData("no process runs"), "ps")) == ("unknown", "memory of web@1: no process runs")
