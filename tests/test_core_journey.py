"""Journeys as values: what they refuse, how values travel, how a comparison reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sluice.core.check import Limit
from sluice.core.errors import ConfigError
from sluice.core.journey import Condition, Journey, Query, Request, Unmet, compare, fill, grow, parse, sentence

Wire = dict[str, Any]


def request(**more: Any) -> Wire:
    return {"name": "ask", "path": "/"} | more


def query(**more: Any) -> Wire:
    return {"name": "look", "database": "main", "query": "select 1", "rows": 1} | more


def journey(*steps: Wire, **more: Any) -> Wire:
    return {"name": "j", "target": "web", "steps": list(steps)} | more


def problems(*wires: Wire) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(wires)
    return caught.value.problems


MAKES = request(save={"id": "$.id"})
REFUSED = [
    (
        journey(request(path="/${id}")),
        "journeys.0.steps.0.path: unknown '${id}', no earlier step saves it: known are run",
    ),
    (
        journey(MAKES, request(headers={"x-id": "${Id}"})),
        "journeys.0.steps.1.headers.x-id: unknown '${Id}', no earlier step saves it: known are id, run",
    ),
    (
        journey(request(body={"id": "${id}"}), MAKES),
        "journeys.0.steps.0.body: unknown '${id}', no earlier step saves it: known are run",
    ),
    (
        journey(request(expect=[{"path": "$.id", "is": "==", "value": "${id}"}])),
        "journeys.0.steps.0.expect.0.value: unknown '${id}', no earlier step saves it: known are run",
    ),
    (
        journey(query(params={"id": "${id}"})),
        "journeys.0.steps.0.params.id: unknown '${id}', no earlier step saves it: known are run",
    ),
    (
        journey(query(rows=None, value={"is": "==", "value": "${id}"})),
        "journeys.0.steps.0.value.value: unknown '${id}', no earlier step saves it: known are run",
    ),
    (
        journey(MAKES, cleanup=[request(needs=["user"])]),
        "journeys.0.cleanup.0.needs.0: unknown '${user}', no earlier step saves it: known are id, run",
    ),
    (
        journey(MAKES | {"critical": False}, request(path="/${id}")),
        "journeys.0.steps.1.path: '${id}' is saved by a step that is not critical, so this one cannot be critical either",
    ),
    (journey(request(save={"run": "$.id"})), "journeys.0.steps.0.save: 'run' is taken, it names the run itself"),
    (
        journey(request(body="hello")),
        "journeys.0.steps.0.body: not JSON; correct it, or name what it is in a content-type header",
    ),
    (journey(query(value={"is": "==", "value": 1})), "journeys.0.steps.0: a query needs either rows or value"),
    (journey(query(rows=None)), "journeys.0.steps.0: a query needs either rows or value"),
    (
        journey(query(query="select '${run}'")),
        "journeys.0.steps.0.query: takes no ${...}; write %(name)s there, and name: ${...} in params",
    ),
    (journey(request(path="here")), "journeys.0.steps.0.path: string should match pattern '^/'"),
    (journey(request(verb="GET")), "journeys.0.steps.0.verb: extra inputs are not permitted"),
    (journey(), "journeys.0.steps: list should have at least 1 item after validation, not 0"),
]


@pytest.mark.parametrize(("wire", "problem"), REFUSED)
def test_refused(wire: Wire, problem: str):
    """What is wrong with a journey is said after its path, before anything is asked."""
    assert problems(wire) == [problem]


def test_together():
    """All problems of all journeys come at once."""
    bad = journey(request(path="/${a}"), request(path="/${b}"))
    assert [line.partition(":")[0] for line in problems(bad, journey(MAKES), journey(request(within=-1)))] == [
        "journeys.0.steps.0.path",
        "journeys.0.steps.1.path",
        "journeys.2.steps.0.within",
    ]


def test_optional():
    """A step that is not critical may use what another one saves, and so may a cleanup."""
    optional = {"critical": False}
    (one,) = parse([journey(MAKES | optional, request(path="/${id}") | optional, cleanup=[request(path="/${id}")])])
    assert (one.steps[1].lacks({"run": "r"}), one.steps[1].lacks({"id": 1})) == (["id"], [])


def test_wire():
    """A journey comes back from the wire as it was, also when whole numbers have become doubles."""
    (one,) = parse([journey(request(body={"limit": 10}, status=[200, 404]), query(rows=2), request(status=201))])
    assert Journey.read(one.wire()) == one
    doubles = json.loads(json.dumps(one.wire()), parse_int=float)
    assert Journey.read(doubles) == one
    assert (one.targets, one.databases) == ({"web"}, {"main"})


def test_body():
    """A JSON body keeps the kinds of its values, and is named as JSON unless the step names it."""
    step = Request(name="ask", path="/", body={"id": "${id}", "mail": "${run}@x", "list": ["${id}", 1]})
    sent = step.filled({"id": 7, "run": "ab"})
    assert json.loads(sent["body"]) == {"id": 7, "mail": "ab@x", "list": [7, 1]}
    assert sent["headers"] == {"content-type": "application/json"}
    named = Request(name="ask", path="/", body="{}", headers={"Content-Type": "application/merge-patch+json"})
    assert named.filled({})["headers"] == {"Content-Type": "application/merge-patch+json"}


def test_text():
    """A body that is no JSON is sent as a text with its values."""
    step = Request(name="ask", path="/", body="hi ${id}", headers={"content-type": "text/plain"})
    assert step.filled({"id": 7})["body"] == "hi 7"


def test_quoted():
    """A value cannot leave its place in a path."""
    assert Request(name="ask", path="/u/${id}?x=1").filled({"id": "a/b?c&d"})["path"] == "/u/a%2Fb%3Fc%26d?x=1"


def test_escaped():
    """A value cannot leave its place in a JSON body."""
    step = Request(name="ask", path="/", body='{"a": "x ${id}"}')
    assert json.loads(step.filled({"id": '", "b": "'})["body"]) == {"a": 'x ", "b": "'}


def test_grow():
    """A text that is one reference becomes the value; within a text a value is written as JSON, words as they are."""
    values = {"n": 1, "flag": True, "word": "w"}
    assert grow({"${word}": ["${n}", "${flag}", "n${n}", 2, None]}, values) == {"w": [1, True, "n1", 2, None]}
    assert fill("${flag} ${word} ${n}", values) == "true w 1"


COMPARED = [
    (Condition(path="$.n", is_=">", value=1), 2.0, None),
    (Condition(path="$.n", is_=">", value=1), 1.0, Unmet("$.n > 1", "1")),
    (Condition(path="$.id", is_="==", value="${id}"), 7.0, None),
    (Condition(path="$.id", is_="==", value="${id}"), 8.0, Unmet("$.id == 7", "8")),
    (Condition(path="$.mail", is_="==", value="${run}@x"), "b@x", Unmet("$.mail == 'a@x'", "'b@x'")),
    (Condition(path="$.mail", is_="matches", value="^a"), None, Unmet("$.mail matches '^a'", "nothing")),
    (Condition(path="$.text", is_="==", value="x"), "y" * 200, Unmet("$.text == 'x'", "'" + "y" * 79)),
    (Limit(is_=">=", value=1), 0.0, Unmet(">= 1", "0")),
]


@pytest.mark.parametrize(("limit", "seen", "unmet"), COMPARED)
def test_compare(limit: Limit, seen: float | str | None, unmet: Unmet | None):
    """A condition says what it expected and what it got; nothing there is never as expected."""
    assert compare(limit, seen, {"id": 7, "run": "a"}) == unmet


def test_rows():
    """Rows are counted exactly."""
    assert Query(name="q", database="d", query="q", rows=1).counted(0) == Unmet("1 row", "0")
    assert Query(name="q", database="d", query="q", rows=2).counted(3) == Unmet("2 rows", "3")
    assert Query(name="q", database="d", query="q", rows=0).counted(0) is None


def test_status():
    """An answer has one of the expected statuses."""
    assert Request(name="r", path="/", status=[200, 404]).answered(500) == Unmet("status 200 or 404", "500")
    assert Request(name="r", path="/").answered(200) is None


def test_sentence():
    """A failure is one line: which step, what was expected, what came, where."""
    said = sentence("sign up", "step 3 'is stored'", Unmet("1 row", "0"), within=5, where="database 'main'")
    assert said == "smoke 'sign up' step 3 'is stored': expected 1 row within 5 s, got 0; database 'main'"
