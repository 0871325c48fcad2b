"""How long a breach must last before it counts."""

from __future__ import annotations

from sluice.core.check import Check, Limit
from sluice.core.verdict import Outcome, Severity, Verdict
from sluice.core.watch import Watch, reason


def check(name: str, lasts: float) -> Check:
    return Check(name=name, ask="process.cpu", limit=Limit(is_="<=", value=0.8), lasts=lasts)


def failed(name: str, severity: Severity = Severity.P2) -> Verdict:
    return Verdict.of(name, Outcome.FAILED, f"{name} 90 % > 80 %", severity)


def passed(name: str) -> Verdict:
    return Verdict.of(name, Outcome.PASSED, f"{name} 10 % <= 80 %")


def outcomes(watch: Watch, *looks: tuple[float, Verdict]) -> list[Outcome]:
    return [watch.counted(at, [verdict])[0].outcome for at, verdict in looks]


def test_a_young_breach_is_inconclusive():
    """A breach holds the step until it has lasted, says for how long, and then fails it."""
    watch = Watch([check("cpu", 120)])
    young = watch.counted(1000, [failed("cpu")])[0], watch.counted(1119, [failed("cpu")])[0]
    assert [verdict.outcome for verdict in young] == [Outcome.INCONCLUSIVE] * 2
    assert young[1].text == "cpu 90 % > 80 %, for 119 s of 120 s"
    assert watch.counted(1120, [failed("cpu")]) == [failed("cpu")]


def test_a_breach_that_ends_begins_anew():
    """A pass in between, and a look without an answer too, end a breach; the next one is young again."""
    for between in (passed("cpu"), Verdict.of("cpu", Outcome.ERRORED, "?"), Verdict.of("cpu", Outcome.INCONCLUSIVE, "?")):
        told = outcomes(Watch([check("cpu", 10)]), (0, failed("cpu")), (9, between), (11, failed("cpu")), (21, failed("cpu")))
        assert told == [Outcome.INCONCLUSIVE, between.outcome, Outcome.INCONCLUSIVE, Outcome.FAILED]


def test_a_critical_breach_counts_at_once():
    """P0 waits for nothing."""
    assert outcomes(Watch([check("cpu", 120)]), (0, failed("cpu", Severity.P0))) == [Outcome.FAILED]


def test_without_a_duration():
    """A check that names no duration counts at once."""
    assert outcomes(Watch([check("cpu", 0)]), (0, failed("cpu"))) == [Outcome.FAILED]


def test_checks_are_apart():
    """One check's breach does not age another's."""
    watch = Watch([check("cpu", 10), check("memory", 10)])
    watch.counted(0, [failed("cpu"), passed("memory")])
    told = watch.counted(10, [failed("cpu"), failed("memory")])
    assert [verdict.outcome for verdict in told] == [Outcome.FAILED, Outcome.INCONCLUSIVE]


def test_reason():
    """The reason is that of the worst outcome alone, the most severe first."""
    told = [failed("p3", Severity.P3), passed("ok"), failed("p1", Severity.P1), Verdict.of("x", Outcome.ERRORED, "could not be asked")]
    assert reason(told) == "p1 90 % > 80 %; p3 90 % > 80 %"
    assert reason([]) == ""
