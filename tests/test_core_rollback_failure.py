"""What failed in an update: the engine's events, the row of the matrix, and whether going back by itself is safe."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sluice.core.rollback.database import Action, Step
from sluice.core.rollback.failure import Failure, read, waits
from sluice.core.rollback.plan import Plan
from sluice.core.rollback.symptom import Scope, Severity, Trouble

URN = "urn:pulumi:test::toy::sluice:index:Release$pulumi-python:dynamic/{0}::{1}"


def failed(kind: str, name: str) -> str:
    urn = URN.format(kind, name)
    metadata = {"op": "create", "urn": urn, "type": f"pulumi-python:dynamic/{kind}"}
    return json.dumps({"resOpFailedEvent": {"metadata": metadata, "status": 0, "steps": 0}})


def said(text: str, urn: str = "", severity: str = "error") -> str:
    return json.dumps({"diagnosticEvent": {"urn": urn, "message": text, "color": "raw", "severity": severity}})


def one(kind: str, text: str, name: str = "toy-x") -> Failure:
    found = read([failed(kind, name), said(f"<{{%reset%}}>{text}<{{%reset%}}>", URN.format(kind, name))])
    assert found
    return found


CANARY = "GateFailed: canary of 1.2 failed at 10 %: web: {0}; weight 0, web@1 serves"


@pytest.mark.parametrize(
    ("kind", "text", "trouble"),
    [
        ("sluice:Preflight", "Refused: 1.2 does not begin", Trouble.REFUSED),
        ("sluice:Backup", "BackupFailed: no room", Trouble.REFUSED),
        ("sluice:Backup", "MigrationFailed: rehearsal of 'shop' failed", Trouble.MIGRATION),
        ("sluice:Migration", "MigrationFailed: migration '2'", Trouble.MIGRATION),
        ("process:Program", "sluice.core.errors.RuntimeFailed: 'web@2' did not start", Trouble.SERVICE),
        ("process:Program", "sluice.core.errors.Unreachable: the folder '/app' does not exist", Trouble.ARTIFACT),
        ("docker:Healthy", "sluice.core.errors.RuntimeFailed: 'web@2' did not start", Trouble.SERVICE),
        ("docker:Artifact", "sluice.core.errors.Unreachable: the folder '/app' has changed", Trouble.ARTIFACT),
        ("remoteImage:RemoteImage", "Unable to read Docker image into resource", Trouble.ARTIFACT),
        ("container:Container", "Unable to start container: port is already allocated", Trouble.SERVICE),
        ("command:local:Command", 'exit status 1: running "docker exec"', Trouble.SERVICE),
        ("sluice:Gate", "GateFailed: health of 1.2", Trouble.HEALTH),
        ("sluice:Smoke", "GateFailed: smoke of 1.2", Trouble.SMOKE),
        ("sluice:Canary", CANARY.format("error rate 10.0 % > 5.0 % (3 of 30)"), Trouble.ERRORS),
        ("sluice:Canary", CANARY.format("error rate against live: 3 % (3 of 99) against live's"), Trouble.ERRORS),
        ("sluice:Canary", CANARY.format("p95 6.0 s > 5.0 s"), Trouble.PERFORMANCE),
        ("sluice:Canary", CANARY.format("p99.5 6.0 s > 5.0 s"), Trouble.PERFORMANCE),
        ("sluice:Canary", CANARY.format("latency against live: slower than live in 90 of 100 pairs"), Trouble.PERFORMANCE),
        ("sluice:Canary", CANARY.format("memory 90.0 % > 85.0 %"), Trouble.PERFORMANCE),
        ("sluice:Canary", CANARY.format("is well: status 500"), Trouble.HEALTH),
        ("sluice:Canary", "Superseded: another deployment took over the traffic", None),
        ("sluice:Canary", "GateFailed: canary of 1.2 failed at 25 %: told to stop; weight 0, web@1 serves", None),
        ("sluice:Gate", "Interrupted: told to stop", None),
        ("sluice:Record", "Superseded: its traffic was taken back", None),
        ("sluice:Mark", "GateFailed: mark of 1.2", None),
    ],
)
def test_rows(kind: str, text: str, trouble: Trouble | None):
    """Each step's failure is a row of the matrix; what a person did, and what a live release came to, is for a person."""
    found = one(kind, text)
    assert (found.kind, found.name, found.trouble) == (kind, "toy-x", trouble)
    assert (found.symptom() is None) == (trouble is None)


def test_first():
    """The first failure counts, with its own words: what fails after it may have failed because of it."""
    lines = [
        json.dumps({"sequence": 1, "preludeEvent": {"config": {}}}),
        said("a warning", severity="warning"),
        said("GateFailed: smoke", URN.format("sluice:Smoke", "b")),
        failed("sluice:Gate", "a"),
        failed("sluice:Smoke", "b"),
        said("<{%fg 1%}>GateFailed: health", URN.format("sluice:Gate", "a")),
        '{"torn',
    ]
    found = read(lines)
    assert found == Failure(name="a", kind="sluice:Gate", error="GateFailed", text="GateFailed: health")


def test_program():
    """Without a resource the program has failed: an artifact that is not there, or settings; with nothing said nobody knows."""
    assert (read([said("error: Unreachable: the folder '/app' does not exist")]) or Failure()).trouble is Trouble.ARTIFACT
    assert (read([said("sluice:release.version: is empty")]) or Failure()).trouble is Trouble.REFUSED
    assert read([]) is None
    assert read([json.dumps({"cancelEvent": {}})]) is None


def test_severity():
    """A smoke test's weight is for people to say."""
    seen = [one("sluice:Smoke", "GateFailed: x").symptom(level) for level in (None, Severity.P1)]
    assert [symptom.scope for symptom in seen if symptom] == [Scope.NOTHING, Scope.FULL]


def made(action: Action, **more: Any) -> Plan:
    given = {"scope": Scope.FULL, "failing": "2-a", "target": "1-a", **more}
    return Plan(action=action, **given)


def step(action: Action, **more: Any) -> Step:
    return Step(database="shop", action=action, revision="2", target="1", why="", **more)


HEALTH = Failure(name="a", kind="sluice:Gate", error="GateFailed")


@pytest.mark.parametrize(
    ("failure", "plan", "why"),
    [
        (HEALTH, made(Action.CODE), ""),
        (HEALTH, made(Action.DOWNGRADE, steps=[step(Action.DOWNGRADE)]), ""),
        (HEALTH, made(Action.DOWNGRADE, steps=[step(Action.DOWNGRADE, loses=["1 row"])]), "the way back of its migrations loses data"),
        (HEALTH, made(Action.RESTORE, steps=[step(Action.RESTORE)]), "a restore loses what was written since"),
        (HEALTH, made(Action.REFUSE), "there is no way back that could be taken"),
        (HEALTH, made(Action.NOTHING), "the matrix says to mend it, and to try again"),
        (HEALTH, made(Action.CODE, target="0-a"), "the release that serves is not the one that would be gone back to"),
        (HEALTH, made(Action.CODE, failing="1-a", target="0-a"), "the release that serves is not the one that would be gone back to"),
        (None, made(Action.CODE), "what failed is for a person to judge"),
        (Failure(kind="sluice:Record", error="Superseded"), made(Action.CODE), "what failed is for a person to judge"),
        (
            Failure(name="toy-settle-run", kind="sluice:Migration", error="MigrationFailed"),
            made(Action.CODE),
            "the new version has passed everything, and serves: mend its last migrations, then `pulumi up`",
        ),
    ],
)
def test_waits(failure: Failure | None, plan: Plan, why: str):
    """Going back by itself is for code, and for what loses nothing, to the release that serves; all else waits for a person."""
    assert waits(failure, plan, "1-a") == why
