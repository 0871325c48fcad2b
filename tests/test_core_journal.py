"""Events and their lines: what is written, by whom, and what a reader makes of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from sluice.core.check import Check, Limit, Unit, judge
from sluice.core.journal import Actor, Event, Happened, Source, actor, expected, parse, row
from sluice.core.moment import Moment
from sluice.core.reading import NoData, Number
from sluice.core.verdict import Outcome, Verdict

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ADA = Actor(user="ada", host="deploy-1", git="abc123")


def event(**more: object) -> Event:
    given = {"at": NOON, "stack": "production", "release": "1.2.0-8cbcf7", "moment": Moment.HEALTH, "event": Happened.BEGAN, "actor": ADA}
    return Event.model_validate({**given, **more})


def test_line():
    """A line is one JSON object in UTC, without what is not said."""
    assert event(run="r1").line() == (
        '{"at": "2026-11-24T12:00:00Z", "stack": "production", "release": "1.2.0-8cbcf7", "run": "r1", "moment": "health", '
        '"event": "began", "actor": {"user": "ada", "host": "deploy-1", "git": "abc123"}}'
    )


def test_there_and_back():
    """A line is read as the event that it was, whatever is in its text."""
    one = event(text='a "quoted" <b>line</b>\nand another, ü', figures={"weight": 10, "p95": None})
    assert "\n" not in one.line()
    assert parse(one.line()) == one


@pytest.mark.parametrize(
    "line", ["", "{", '{"at": "2026-11-24T12:00:00Z"}', "[]", event().line()[:-5], event().line().replace("began", "sung")]
)
def test_a_line_that_says_nothing(line: str):
    """A torn line, and one with an event that a newer Sluice has, is no event and no error."""
    assert parse(line) is None


def test_a_newer_key():
    """A key that a newer Sluice has added is skipped."""
    assert parse(json.dumps({**json.loads(event().line()), "weather": "fine"})) == event()


def test_secrets():
    """No secret is in a line, as it is or as addresses write it, in a text, a figure or a key; nor a password of any address."""
    text = "refused: pa ss'word of postgresql://ada:hunter2@db/shop, pa%20ss%27word"
    line = event(text=text, figures={"seen": ["x pa ss'word"], "pa ss'word": 1}).line(["pa ss'word"])
    assert json.loads(line)["text"] == "refused: *** of postgresql://ada:***@db/shop, ***"
    assert json.loads(line)["figures"] == {"seen": ["x ***"], "***": 1}


def test_source():
    """A source travels as one text."""
    source = Source(path="/home/journal.jsonl", stack="production", run="r1", actor=ADA)
    assert Source.parse(source.text) == source


@pytest.mark.parametrize(
    ("environment", "user", "job"),
    [
        ({}, "root", None),
        ({"CI_JOB_URL": "https://ci/1"}, "root", None),
        ({"GITLAB_CI": "true", "CI_JOB_URL": "https://ci/1", "GITLAB_USER_LOGIN": "ada"}, "ada", "https://ci/1"),
        ({"GITLAB_CI": "true"}, "root", None),
        (
            {
                "GITHUB_ACTIONS": "true",
                "GITHUB_SERVER_URL": "https://g",
                "GITHUB_REPOSITORY": "a/b",
                "GITHUB_RUN_ID": "7",
                "GITHUB_ACTOR": "bob",
            },
            "bob",
            "https://g/a/b/actions/runs/7",
        ),
    ],
)
def test_actor(environment: dict[str, str], user: str, job: str | None):
    """In a job of a CI its user acts, with the job's address where the CI tells all of it; elsewhere the machine's user."""
    assert actor("root", "vm", environment, "abc") == Actor(user=user, host="vm", job=job, git="abc")


RATE = Check(name="web: error rate", ask="split.error_rate", of={"version": "web@2"}, limit=Limit(is_="<=", value=0.05, unit=Unit.RATIO))


def test_row():
    """A verdict is kept with what was observed, in its evidence, and what was expected."""
    verdict = judge(RATE, Number(value=0.12, evidence="36 of 300"))
    assert row(verdict, RATE) == {
        "check": "web: error rate",
        "outcome": "failed",
        "severity": "P2",
        "observed": "12.0 % (36 of 300)",
        "expected": "<= 5.0 %",
        "ask": "split.error_rate",
        "limit": 0.05,
        "version": "web@2",
    }
    assert row(judge(RATE, NoData("nobody came")), RATE)["observed"] == "no data, nobody came"
    assert row(Verdict.of("x", Outcome.ERRORED, "x could not be asked: refused"), None)["observed"] == "could not be asked: refused"


@pytest.mark.parametrize(
    ("ask", "value", "unit", "text"),
    [
        ("split.error_delta", 0, Unit.RATIO, "not worse than live"),
        ("split.error_delta", 0.01, Unit.RATIO, "not worse than live by more than 1.0 %"),
        ("split.latency_delta", 0.6, Unit.RATIO, "not slower than live"),
        ("http.status", 200, Unit.NONE, "<= 200"),
        ("split.latency", 2, Unit.SECONDS, "<= 2.00 s"),
    ],
)
def test_expected(ask: str, value: float, unit: Unit, text: str):
    """What is expected is said as people say it; a comparison has no limit of its own."""
    assert expected(Check(name="x", ask=ask, limit=Limit(is_="<=", value=value, unit=unit))) == text
