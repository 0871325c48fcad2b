"""Conditions, and the sentences that tell what was seen against them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sluice.core.check import Check, Limit, Unit, dated, judge, show
from sluice.core.reading import NoData, Number, Unasked
from sluice.core.verdict import Outcome, Severity, Verdict


def check(is_: str, value: float | str, unit: Unit = Unit.NONE, **more: object) -> Check:
    limit = Limit.read({"is": is_, "value": value, "unit": unit})
    return Check.model_validate({"name": "q", "ask": "x.y", "limit": limit, "severity": Severity.P1, **more})


@pytest.mark.parametrize(
    ("is_", "limit", "holds", "breaks"),
    [
        ("<", 5, 4, 5),
        ("<=", 5, 5, 6),
        (">", 5, 6, 5),
        (">=", 5, 5, 4),
        ("==", 5, 5, 6),
        ("!=", 5, 6, 5),
        ("==", "ok", "ok", "OK"),
        ("!=", "ok", "no", "ok"),
        ("matches", "^v1\\.", "v1.2", "v2.1"),
        ("matches", "^2", 200, 404),
        ("!=", 5, "5", 5),
        ("==", 5, 5, "5"),
        (">", 5, 6, "6"),
    ],
)
def test_holds(is_: str, limit: float | str, holds: float | str, breaks: float | str):
    """Each condition holds for one value and not for its neighbour; a number never equals a word, nor compares with one."""
    there = check(is_, limit)
    assert judge(there, Number(value=holds)).outcome is Outcome.PASSED
    assert judge(there, Number(value=breaks)).outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("is_", "value", "seen", "text"),
    [
        ("<", 5, 5, "q 5 >= 5"),
        ("<=", 5, 6, "q 6 > 5"),
        (">", 5, 5, "q 5 <= 5"),
        (">=", 5, 4, "q 4 < 5"),
        ("==", 200, 503, "q 503 != 200"),
        ("!=", 5, 5, "q 5 == 5"),
        ("matches", "^ok$", "no", "q 'no' does not match '^ok$'"),
    ],
)
def test_a_failure_says_what_was_seen(is_: str, value: float | str, seen: float | str, text: str):
    """The sentence of a failure turns the condition round: it is true as it stands."""
    verdict = judge(check(is_, value), Number(value=seen))
    assert verdict == Verdict.of("q", Outcome.FAILED, text, Severity.P1, verdict.seen)
    assert text.startswith(f"q {verdict.seen} ")


def test_a_value_is_said_once():
    """What is the very value that is expected is said once; any other condition with its limit."""
    assert judge(check("==", 200), Number(value=200, evidence="http://x")).text == "q: 200 (http://x)"
    assert judge(check("<=", 5), Number(value=5)).text == "q 5 <= 5"


def test_not_a_number():
    """A value that is no number meets no limit."""
    assert judge(check("<=", 5), Number(value=float("nan"))).outcome is Outcome.FAILED


def test_no_answer_is_no_pass():
    """No data and too few samples are inconclusive, a system that was not reached is errored; each says why."""
    there = check("<=", 5, minimum=20)
    assert judge(there, NoData("nobody came")) == Verdict.of("q", Outcome.INCONCLUSIVE, "q: no data, nobody came", Severity.P1)
    few = Verdict.of("q", Outcome.INCONCLUSIVE, "q: 19 of at least 20 samples", Severity.P1)
    assert judge(there, Number(value=1, samples=19)) == few
    assert judge(there, Number(value=1, samples=20)).passed
    assert judge(there, Unasked("refused")) == Verdict.of("q", Outcome.ERRORED, "q could not be asked: refused", Severity.P1)


def test_evidence():
    """What stands behind a number is beside it."""
    there = judge(check("<=", 0.05, Unit.RATIO), Number(value=0.12, samples=300, evidence="36 of 300"))
    assert there.text == "q 12.0 % > 5.0 % (36 of 300)"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.125, Unit.RATIO, "12.5 %"),
        (0.2, Unit.SECONDS, "0.20 s"),
        (61.4, Unit.SECONDS, "61 s"),
        (512 * 2**20, Unit.BYTES, "512 MiB"),
        (200.0, Unit.NONE, "200"),
        ("up", Unit.NONE, "'up'"),
    ],
)
def test_show(value: float | str, unit: Unit, text: str):
    """People read per cent, seconds and mebibytes; words are in quotes."""
    assert show(value, unit) == text


def test_wire():
    """A check comes back as it was, also after its numbers have been doubles; the condition is called `is` on the way."""
    there = check("<=", 5, of={"url": "http://x"}, minimum=3)
    wire = there.wire()
    assert wire["limit"] == {"is": "<=", "value": 5.0, "unit": ""}
    assert Check.read({**wire, "minimum": 3.0}) == there


@pytest.mark.parametrize("wrong", [{"lasts": -1}, {"minimum": 0}, {"timeout": 0}, {"limit": {"is": "=", "value": 1}}, {"max": 1}])
def test_refused(wrong: dict[str, object]):
    """A check that could never be put, or never fail, is refused."""
    with pytest.raises(ValidationError):
        Check.model_validate({**check("<=", 5).wire(), **wrong})


def test_dated():
    """A question to logs begins where it is told, unless it says itself how far it looks; no other question is touched."""
    lines = check("==", 0).model_copy(update={"ask": "logs.count", "of": {"path": "/log"}})
    assert dated(lines, 7.0).of == {"path": "/log", "since": 7.0}
    for known in ({"since": 3.0}, {"last": 60}):
        own = lines.model_copy(update={"of": {"path": "/log", **known}})
        assert dated(own, 7.0) == own
    assert dated(check("==", 0), 7.0) == check("==", 0)
