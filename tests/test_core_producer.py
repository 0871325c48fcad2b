"""What a program needs of another stack, held against what that stack tells."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.core.check import Check, Limit
from sluice.core.contract import terms
from sluice.core.errors import ConfigError
from sluice.core.producer import Producer, Told, read, unmet

STACK = "organization/redcube/production"
LIVE = {"id": "1.1.0-abcdef", "version": "1.1.0", "schema": {"users": "0002"}}
DUE = [{"name": "1h", "due_at": "2025-11-27T13:00:00Z"}]
WHERE = f"redcube: '{STACK}'"


def outputs(*, contract: int = 1, deprecated: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    promise = terms(contract, doors={"content": "/api/"}, databases=["users"], deprecated=deprecated or {})
    told: dict[str, Any] = {
        "contract": float(contract),
        "terms": promise.text,
        "url": "http://door",
        "endpoints": {"content": "http://door/api/"},
        "live": LIVE,
        "flags": "/flags.json",
        "databases": {"users": {"host": "db", "port": 5432.0, "dbname": "users"}},
        "marks": {"passed": {"30min": "2025-11-27T12:30:00Z"}, "due": DUE},
    }
    return told | changes


def told(needs: dict[str, Any] | None = None, **changes: Any) -> Told:
    return read("redcube", Producer(**{"stack": STACK, "contract": 1, **(needs or {})}), outputs(**changes))


def test_all_is_well():
    """A stack that tells what is needed is not refused, and gives it out by name."""
    needs = {
        "uses": ["endpoints.content", "databases.users"],
        "version": ">=1.0, <2",
        "schema": {"users": ">=0001"},
        "marks": ["30min"],
        "contract": (1, 2),
    }
    found = told(needs)
    assert (found.refusals, found.notes) == ([], [])
    assert (found["endpoints.content"], found["url"], found["live.version"]) == ("http://door/api/", "http://door", "1.1.0")
    assert found["databases.users"]["dbname"] == "users"


@pytest.mark.parametrize(
    ("needs", "why"),
    [
        ({"contract": 2}, "speaks contract 1, this program 2: wait until it has come that far"),
        ({"contract": (2, 3)}, "speaks contract 1, this program 2 or 3: wait until it has come that far"),
        ({"uses": ["endpoints.user"]}, "promises no endpoints.user: it has databases.users, endpoints.content"),
        ({"version": ">=1.2"}, "is at version 1.1.0: wanted is >=1.2"),
        ({"version": "1.1"}, "is at version 1.1.0: wanted is 1.1"),
        ({"schema": {"users": "0003"}}, "has 'users' at revision 0002: wanted is 0003"),
        ({"schema": {"content": ">=0001"}}, "has 'content' at no revision that its release names: wanted is >=0001"),
        ({"marks": ["1h"]}, ": 1.1.0-abcdef has not passed the mark '1h', due at 2025-11-27T13:00:00Z"),
        ({"marks": ["2h"]}, ": 1.1.0-abcdef has not passed the mark '2h', which it does not have"),
    ],
)
def test_refused(needs: dict[str, Any], why: str):
    """Each thing that is not as it is needed is told with what was seen and what was wanted."""
    assert told(needs).refusals == [f"{WHERE}{'' if why.startswith(':') else ' '}{why}"]


def test_a_newer_contract():
    """A program that was written for an older contract is told to look at what has changed."""
    assert told(contract=2).refusals == [
        f"{WHERE} speaks contract 2, this program 1: see what is gone there, mend what reads it, then say contract=2 here"
    ]


def test_all_at_once():
    """Every reason is told, not only the first."""
    needs = {"contract": 2, "uses": ["endpoints.user"], "version": "2", "schema": {"users": "1"}, "marks": ["1h"]}
    assert len(told(needs).refusals) == 5


def test_nothing_proven():
    """A stack that has proven nothing, or never ran, has nothing to rely on."""
    why = f"{WHERE} has proven no release yet, or tells of none: run `pulumi up --stack {STACK}` in its program first"
    assert told(live=None).refusals == [why]
    assert read("redcube", Producer(stack=STACK, contract=1), dict.fromkeys(outputs())).refusals == [why]


def test_without_terms():
    """A stack of before there were terms has promised nothing."""
    (why,) = told(terms=None).refusals
    assert why.startswith(f"{WHERE} tells no terms, by which it could be relied on:")


def test_what_will_go():
    """A program is told of what it uses and will lose, and of nothing else."""
    gone = {"endpoints.content": "use endpoints.text", "databases.users": "ask endpoints.content"}
    assert told({"uses": ["endpoints.content"]}, deprecated=gone).notes == [
        "redcube: endpoints.content goes with contract 2: use endpoints.text"
    ]


def test_what_is_not_told():
    """Who asks for what is not there hears why, or what there is."""
    with pytest.raises(ConfigError) as caught:
        told()["endpoints.user"]
    said = "'endpoints.user' is told by no output of the other stack: it tells contract, terms, url, endpoints.content, "
    assert str(caught.value).startswith(said)
    with pytest.raises(ConfigError) as refused:
        told({"uses": ["endpoints.user"]})["endpoints.user"]
    assert str(refused.value) == f"{WHERE} promises no endpoints.user: it has databases.users, endpoints.content"
    with pytest.raises(ConfigError):
        told()["url.x"]


def test_health():
    """Whether it is well is asked at what it tells, and not of a stack that is refused already."""

    def checks(redcube: Told) -> list[Check]:
        of = {"url": redcube["endpoints.content"] + "health"}
        return [Check(name="is well", ask="http.status", of=of, limit=Limit(is_="==", value=200))]

    (check,) = told({"checks": checks}).checks
    assert (check.name, check.of) == ("redcube: is well", {"url": "http://door/api/health"})
    assert told({"checks": checks, "version": "2"}).checks == []


@pytest.mark.parametrize(
    ("rule", "seen", "met"),
    [
        ("", "anything", True),
        ("nightly", "nightly", True),
        ("==1.2", "1.2", True),
        ("1.2", "1.2.0", False),
        (">=1.9", "1.10", True),
        (">=1.2", "1.2.0", True),
        (">= 1.2 , < 2", "1.9.9", True),
        (">=1.2, <2", "2.0", False),
        (">=1.2", "1.2-rc1", False),
        (">1.2-rc1", "1.2", True),
        (">=1.2-rc9", "1.2-rc10", True),
        (">=1.2-rc.9", "1.2-rc.10", True),
        (">=1.2-rc1", "1.2-beta2", False),
        (">=0007", "0010", True),
        ("<=0007", "8", False),
        (">=1", "nightly", False),
        (">=1", "", False),
    ],
)
def test_rules(rule: str, seen: str, met: bool):
    """Versions and revisions are compared part by part as numbers, and by name where they have none."""
    assert (unmet(rule, seen) == "") is met


@pytest.mark.parametrize(
    ("needs", "why"),
    [
        ({"version": ">=nightly"}, "version: '>=nightly': 'nightly' has no numbers to compare: want it by its name alone"),
        ({"version": "~1.2"}, "version: '~1.2' is no rule: write '1.2.0', '>=1.1', or '>=1.1, <2'"),
        ({"version": "1.2 or 1.3"}, "version: '1.2 or 1.3' is no rule: write '1.2.0', '>=1.1', or '>=1.1, <2'"),
        ({"schema": {"users": ">="}}, "schema of 'users': '>=' is no rule: write '1.2.0', '>=1.1', or '>=1.1, <2'"),
    ],
)
def test_rules_that_mean_nothing(needs: dict[str, Any], why: str):
    """A rule that could never be read is refused where it is written."""
    with pytest.raises(ConfigError) as caught:
        Producer(stack=STACK, contract=1, **needs)
    assert str(caught.value) == f"producer '{STACK}': {why}"
