"""A deadline while a command runs: what is left is told, and people are when it is over, once; the command comes to its end."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from sluice.cli.deadline import Countdown, countdown
from sluice.core.rollback.database import Action
from sluice.core.rollback.plan import Plan
from sluice.core.rollback.symptom import Scope, Severity
from sluice.history.pulumi import Pulumi
from sluice.history.stack import Stack
from tests.fixtures.web import Answer, Web, web

__all__ = ["web"]
ROLLOUT = {
    "contacts": {"on-call": {"name": "Ada", "contact": "ada@example.org"}, "product": {"name": "Bob", "contact": "bob@example.org"}},
    "escalation": [{"after": 0, "to": "on-call"}, {"after": "15m", "to": "product"}],
    "notify": [{"kind": "slack", "url": "env:HOOK"}],
}
OVER = (
    "P1: it has taken longer than 15m: going back from '2-a' to '1-a' on 'test'; it goes on, as to stop it would leave the traffic where "
    "it is; next: Ada (on-call, ada@example.org), then Bob (product, bob@example.org) after 15 min"
)


def counting(begun: float, severity: Severity | None = Severity.P1) -> Countdown | None:
    seen = Stack(Pulumi(Path(), "test"), "", {}, None, [], json.dumps(ROLLOUT))
    made = Plan(action=Action.CODE, scope=Scope.FULL, failing="2-a", target="1-a", severity=severity)
    return countdown(seen, made, begun)


def test_left(capsys: pytest.CaptureFixture[str]):
    """Each fifteenth of the time is told once."""
    count = counting(time.monotonic() - 61)
    assert count
    for _ in range(3):
        count.tick()
    assert capsys.readouterr().out == "P1: 13m59s of 15m left\n"
    assert not count.end()


def test_over(web: Web, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """When it is over, the webhooks are told, and who is next; once, however long it goes on."""
    monkeypatch.setenv("HOOK", web.tell("/hook", Answer(200)))
    count = counting(time.monotonic() - 901)
    assert count
    count.tick()
    count.tick()
    assert count.end()
    (asked,) = web.asked
    assert json.loads(asked.body)["text"] == OVER.partition("; next")[0]
    assert capsys.readouterr().err == f"error: {OVER}\n"


def test_end(web: Web, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """What came too late without anybody looking is told at its end; a webhook that does not answer stops nothing."""
    monkeypatch.setenv("HOOK", web.tell("/hook", Answer(503)))
    count = counting(time.monotonic() - 901)
    assert count
    assert count.end()
    assert capsys.readouterr().err.endswith("error: slack webhook not told, 2 tries: status 503\n")


def test_none():
    """Without a severity, or with one that can wait, nothing is counted."""
    assert counting(0, None) is None
    assert counting(0, Severity.P3) is None


def test_watched(tmp_path: Path):
    """While a command runs it is looked at each second, and its exit code is what it was."""
    seen: list[float] = []
    code = Pulumi(tmp_path, "test").attend(["sh", "-c", "sleep 2.5; exit 7"], lambda: seen.append(time.monotonic()))
    assert (code, len(seen)) == (7, 2)
