"""The rules of a gate, without a clock or a question asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sluice.core.check import Check
from sluice.core.gate import SHOWN, Gate, State, Vigil, explain
from sluice.core.verdict import Outcome, Severity, Verdict

PASSED, FAILED, SILENT, ERRORED = Outcome.PASSED, Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.ERRORED


def gate(*names: str, severity: Severity = Severity.P2, lasts: float = 0, action: str = "", **more: object) -> Gate:
    checks = [
        Check.read(
            {"name": name, "ask": "http.status", "limit": {"is": "==", "value": 200}, "severity": severity, "lasts": lasts}
            | {"action": action}
        )
        for name in names
    ]
    return Gate.model_validate({"moment": "health", "subject": "web@1.1-3fa2", "checks": checks, "deadline": 30} | more)


def verdicts(of: Gate, *outcomes: Outcome) -> list[Verdict]:
    return [
        Verdict.of(check.name, outcome, f"{check.name} {outcome}", check.severity)
        for check, outcome in zip(of.checks, outcomes, strict=True)
    ]


def walk(of: Gate, *rounds: tuple[Outcome, ...], beat: float = 1) -> tuple[Vigil, list[State]]:
    vigil = Vigil(of)
    return vigil, [vigil.see(verdicts(of, *outcomes), number * beat) for number, outcomes in enumerate(rounds)]


def test_open():
    """A gate opens in the first round in which all pass."""
    assert walk(gate("a", "b"), (PASSED, FAILED), (PASSED, PASSED))[1] == [State.WAITING, State.OPEN]


def test_one_round():
    """Each check passing once, but never together, opens nothing."""
    assert walk(gate("a", "b"), (PASSED, FAILED), (FAILED, PASSED), (PASSED, FAILED))[1] == [State.WAITING] * 3


def test_critical():
    """A critical failure shuts the gate at once; a lesser one waits."""
    assert walk(gate("a", severity=Severity.P0), (FAILED,))[1] == [State.SHUT]
    assert walk(gate("a", severity=Severity.P1), (FAILED,))[1] == [State.WAITING]


def test_any_failure():
    """Where failures are not waited for, any shuts the gate, once it has lasted as long as its check says."""
    assert walk(gate("a", on={"failed": "fail"}), (FAILED,))[1] == [State.SHUT]
    lasting = gate("a", lasts=2, on={"failed": "fail"})
    assert walk(lasting, (FAILED,), (FAILED,), (FAILED,))[1] == [State.WAITING, State.WAITING, State.SHUT]


@pytest.mark.parametrize(("outcome", "name"), [(SILENT, "inconclusive"), (ERRORED, "errored")])
def test_on(outcome: Outcome, name: str):
    """What a gate does without data, or an answer, is config: wait or fail; it never passes."""
    assert walk(gate("a"), (outcome,))[1] == [State.WAITING]
    assert walk(gate("a", on={name: "fail"}), (outcome,))[1] == [State.SHUT]


def test_hold():
    """With `hold`, all must keep passing that long."""
    assert walk(gate("a", hold=2), (PASSED,), (PASSED,), (PASSED,))[1] == [State.WAITING, State.WAITING, State.OPEN]


def test_hold_broken():
    """One bad round begins the time anew."""
    states = walk(gate("a", hold=2), (PASSED,), (PASSED,), (SILENT,), (PASSED,), (PASSED,), (PASSED,))[1]
    assert states == [State.WAITING] * 5 + [State.OPEN]


def test_blip():
    """A breach shorter than `lasts` neither begins the time anew nor opens the gate while it goes on."""
    states = walk(gate("a", hold=2, lasts=2), (PASSED,), (PASSED,), (FAILED,), (FAILED,), (PASSED,))[1]
    assert states == [State.WAITING] * 4 + [State.OPEN]


def test_blip_is_not_silence():
    """A young breach is no lack of data: a gate that fails on silence still lets it grow old."""
    assert walk(gate("a", lasts=5, on={"inconclusive": "fail"}), (FAILED,), (FAILED,))[1] == [State.WAITING] * 2


def test_lasting():
    """A breach as long as `lasts` begins the time anew."""
    states = walk(gate("a", hold=3, lasts=1), (PASSED,), (FAILED,), (FAILED,), (PASSED,), (PASSED,))[1]
    assert states == [State.WAITING] * 5


@given(st.lists(st.tuples(st.sampled_from(list(Outcome)), st.sampled_from(list(Outcome))), min_size=1), st.floats(0, 5), st.floats(0, 5))
def test_never_open_without_a_pass(rounds: list[tuple[Outcome, Outcome]], hold: float, lasts: float):
    """Whatever came before, a gate is open only in a round in which every check passed."""
    for outcomes, state in zip(rounds, walk(gate("a", "b", hold=hold, lasts=lasts), *rounds)[1], strict=True):
        assert state is not State.OPEN or outcomes == (PASSED, PASSED)


def test_explain():
    """A shut gate says what failed, how bad that is, what to do, how many, and how long it waited."""
    vigil, _ = walk(gate("a", "b", "c", action="restart it"), (FAILED, PASSED, PASSED))
    assert explain(vigil, 30.2) == "health of web@1.1-3fa2: a failed [P2: restart it]; 1 of 3 checks failed within 30 s"


def test_explain_at_once():
    """A gate shut before its deadline says when; the worst comes first, and kinds are counted apart."""
    of = gate("a", "b", "c", on={"errored": "fail"})
    bad = Check.read(of.checks[2].wire() | {"severity": "P0"})
    of = of.model_copy(update={"checks": [*of.checks[:2], bad]})
    vigil, _ = walk(of, (ERRORED, SILENT, FAILED))
    expected = (
        "health of web@1.1-3fa2: c failed [P0]; a errored [P2]; b inconclusive [P2]; "
        "1 of 3 checks failed, 1 errored, 1 inconclusive after 3 s"
    )
    assert explain(vigil, 3.1) == expected


def test_explain_many():
    """A crowd of failures shows the first few and the number of the rest."""
    names = [f"c{number}" for number in range(50)]
    vigil, _ = walk(gate(*names), (FAILED,) * 50)
    text = explain(vigil, 30)
    assert text.count(" failed [P2]") == SHOWN
    assert text.endswith("; and 47 more; 50 of 50 checks failed within 30 s")


def test_explain_held():
    """A gate whose time ran out while all passed says what broke the time before."""
    vigil, _ = walk(gate("a", hold=25), (FAILED,), (PASSED,))
    expected = "health of web@1.1-3fa2: all checks pass, but not yet for 25 s within 30 s, before that: a failed"
    assert explain(vigil, 30) == expected


def test_explain_young():
    """A breach that was too young to count says its age."""
    vigil, _ = walk(gate("a", lasts=60), (FAILED,), (FAILED,))
    assert explain(vigil, 30) == "health of web@1.1-3fa2: a failed, for 1 s of 60 s [P2]; 1 of 1 check inconclusive within 30 s"


@pytest.mark.parametrize(
    ("names", "more", "message"),
    [
        ([], {}, "List should have at least 1 item after validation, not 0"),
        (["a", "a"], {}, "Value error, checks share a name: a"),
        (["a"], {"hold": 31}, "Value error, hold 31 s is longer than the deadline of 30 s"),
        (["a"], {"poll": 0}, "Input should be greater than 0"),
        (["a"], {"on": {"passed": "wait"}}, "Extra inputs are not permitted"),
    ],
)
def test_refused(names: list[str], more: dict[str, object], message: str):
    """A gate that could never open, or proves nothing, is refused."""
    with pytest.raises(ValidationError) as caught:
        gate(*names, **more)
    assert [error["msg"] for error in caught.value.errors()] == [message]
