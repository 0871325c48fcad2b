"""squawk's findings, in our words."""

from __future__ import annotations

import json

import pytest

from sluice.core.migration.explain import explain
from sluice.core.migration.file import Migration, parse
from sluice.core.migration.lint import OFF, Alarm, alarms, written

TEXT = "-- transaction: none\n\nselect 1 -- one\n;\nreindex\n  table users; reindex table other"
GB = 2**30


def migration(text: str = TEXT) -> Migration:
    return parse("1_a", text, "select 1")


def said(*lines: int, rule: str = "require-concurrent-reindex") -> str:
    return json.dumps([{"rule_name": rule, "line": line, "message": "It blocks.", "help": "Do not."} for line in lines])


def test_written():
    """Each statement begins and ends on a line of its own, so that a comment at its end, or a neighbour, hides nothing."""
    assert written(migration()) == "select 1 -- one\n;\nreindex\n  table users\n;\nreindex table other\n;\n"


def test_alarms():
    """A finding is told of the statement it is about, by the line of the file."""
    found = alarms(migration(), said(0, 2, 3, 5, 99))
    assert [(one.statement, one.line) for one in found] == [(0, 3), (1, 5), (1, 6), (2, 6), (2, 6)]
    assert found[0] == Alarm(rule="require-concurrent-reindex", statement=0, line=3, text="It blocks. Do not.")
    assert alarms(migration(), "") == []


@pytest.mark.parametrize("rule", sorted(OFF))
def test_off(rule: str):
    """What our own rules say, and what means nothing here, is not told; each has its reason."""
    assert alarms(migration(), said(0, rule=rule)) == []
    assert OFF[rule]


def test_contract():
    """What breaks old code is told in an expand, and not in a contract, which comes when that code is gone."""
    text = "alter table users alter a drop not null"
    assert len(alarms(migration(text), said(0, rule="ban-drop-not-null"))) == 1
    assert alarms(migration(f"-- phase: contract\n{text}"), said(0, rule="ban-drop-not-null")) == []


@pytest.mark.parametrize("text", ["{}", "[1]", '[{"rule": "x"}]', "warning: x"])
def test_no_answer(text: str):
    """What is not the list that squawk prints is no answer, and not the same as no finding."""
    with pytest.raises(ValueError, match=r"not the list of findings|Expecting value"):
        alarms(migration(), text)


def test_size_decides():
    """A rule about work on a whole table is an error on a large one, a warning on a small one, and silent on a new one."""
    alarm = Alarm(rule="require-concurrent-reindex", statement=0, line=1, text="It blocks.")
    other = alarm.model_copy(update={"rule": "ban-drop-not-null"})

    def found(text: str, size: int) -> list[tuple[str, str]]:
        given = {"1": [one.model_copy(update={"statement": text.count(";")}) for one in (alarm, other)]}
        return [(one.level, one.rule) for one in explain([migration(text)], {"public.users": size}, alarms=given)[0].findings]

    rules = ("squawk require-concurrent-reindex", "squawk ban-drop-not-null")
    assert found("reindex table users", GB) == [("error", rules[0]), ("warning", rules[1])]
    assert found("reindex table users", 8192) == [("warning", rules[0]), ("warning", rules[1])]
    assert found("create table new (a int); reindex table new", GB) == []
