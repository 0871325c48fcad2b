"""The journal of a stack: what happened, when, by whom, and what was seen. Pure: events, and the lines that they are.

A line is a JSON object; docs/journal.md says what each event carries. Readers skip keys and events that a newer Sluice has added.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime, ValidationError

from sluice.core.check import Check, show
from sluice.core.moment import Moment
from sluice.core.secret import redact, unlocked
from sluice.core.value import Value
from sluice.core.verdict import Verdict

# What is drawn over time, against its limit.
DRAWN = ("split.error_rate", "split.latency")
# Where a job of a CI says where it is to be looked at, and who began it; the first that is set counts.
JOBS = (
    ("GITLAB_CI", "{CI_JOB_URL}", "GITLAB_USER_LOGIN"),
    ("GITHUB_ACTIONS", "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}", "GITHUB_ACTOR"),
    ("BUILDKITE", "{BUILDKITE_BUILD_URL}", "BUILDKITE_BUILD_CREATOR"),
    ("CIRCLECI", "{CIRCLE_BUILD_URL}", "CIRCLE_USERNAME"),
    ("JENKINS_URL", "{BUILD_URL}", "BUILD_USER_ID"),
    ("TF_BUILD", "{SYSTEM_COLLECTIONURI}{SYSTEM_TEAMPROJECT}/_build/results?buildId={BUILD_BUILDID}", "BUILD_REQUESTEDFOREMAIL"),
)


class Happened(StrEnum):
    """What an event says."""

    BEGAN = "began"  # a step began
    PASSED = "passed"  # it came to its end
    FAILED = "failed"  # it did not
    JUDGED = "judged"  # a gate, or a step of the ladder, was decided by these verdicts
    SHIFTED = "shifted"  # the splitter follows another weight
    LOOKED = "looked"  # what both sides have answered since the look before
    ABORTED = "aborted"  # traffic went back to what is proven
    TOLD = "told"  # people were told
    ASKED = "asked"  # a person or a job asked for something, by the command


class Actor(Value):
    """Who acts: a user on a host, the job of a CI and its user where one runs, and the program's commit."""

    user: str
    host: str
    job: str | None = None
    git: str | None = None

    @property
    def text(self) -> str:
        """Say it in a few words."""
        return f"{self.user} on {self.host}"


class Event(Value):
    """One line. `run` is the update that it belongs to (a random word; "" for what a command says), `text` is for people."""

    at: AwareDatetime
    stack: str
    release: str
    run: str = ""
    moment: Moment
    event: Happened
    actor: Actor
    text: str = ""
    figures: dict[str, Any] = {}

    # A newer Sluice may say more.
    model_config = Value.model_config | {"extra": "ignore"}

    def line(self, secrets: Iterable[str] = ()) -> str:
        """Return the event as one line without its end, and without those secrets."""
        data = self.model_dump(mode="json", exclude_defaults=True)
        return json.dumps(_clean(data, list(secrets)), ensure_ascii=False, allow_nan=False)


class Source(Value):
    """What a step has to know to write: the file, and what all its lines have in common. It travels as one JSON text."""

    path: str
    stack: str
    run: str
    actor: Actor

    @property
    def text(self) -> str:
        """Return it for `parse`."""
        return self.model_dump_json(exclude_defaults=True)

    @classmethod
    def parse(cls, text: str) -> Source:
        """Return the source of a text."""
        return cls.model_validate_json(text)


def parse(line: str) -> Event | None:
    """Return the event of a line; None of one that is torn, or says what this Sluice does not know."""
    try:
        return Event.model_validate_json(line)
    except ValidationError:
        return None


def actor(user: str, host: str, environment: Mapping[str, str], git: str | None = None) -> Actor:
    """Return who acts, by the machine's words and the environment of a CI."""
    for mark, address, name in JOBS:
        if environment.get(mark):
            return Actor(user=environment.get(name) or user, host=host, job=_address(address, environment), git=git)
    return Actor(user=user, host=host, git=git)


def _address(shape: str, environment: Mapping[str, str]) -> str | None:
    names = re.findall(r"\{(\w+)\}", shape)
    return shape.format_map(environment) if all(environment.get(name) for name in names) else None


def row(verdict: Verdict, check: Check | None) -> dict[str, Any]:
    """Return a verdict as the journal keeps it: what was observed, and what was expected; of a figure that is drawn, its limit too."""
    observed = verdict.seen or verdict.text.removeprefix(verdict.check).lstrip(": ")
    told = {"check": verdict.check, "outcome": verdict.outcome.value, "severity": verdict.severity.value}
    drawn = {"ask": check.ask, "limit": check.limit.value, "version": check.of.get("version", "")} if check and check.ask in DRAWN else {}
    return {**told, "observed": observed, "expected": expected(check) if check else "", **drawn}


def expected(check: Check) -> str:
    """Say what a check wants to see."""
    if check.ask == "split.error_delta":
        margin = f" by more than {show(float(check.limit.value), check.limit.unit)}" if check.limit.value else ""
        return f"not worse than live{margin}"
    if check.ask == "split.latency_delta":
        return "not slower than live"
    return f"{check.limit.is_} {show(check.limit.value, check.limit.unit)}"


def _clean(data: Any, secrets: list[str]) -> Any:
    """Take secrets from every text, keys too."""
    if isinstance(data, str):
        return unlocked(redact(data, secrets))
    if isinstance(data, Mapping):
        return {_clean(key, secrets): _clean(value, secrets) for key, value in data.items()}
    return [_clean(one, secrets) for one in data] if isinstance(data, list) else data
