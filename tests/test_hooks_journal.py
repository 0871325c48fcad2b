"""What hooks write down: each step's beginning and end, why it failed, who was told, and never a secret."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sluice.core.errors import GateFailed, Unreachable
from sluice.core.journal import Actor, Event, Happened, Source
from sluice.hooks import journal as hook
from sluice.hooks.base import Hook
from sluice.hooks.gate import GateProvider
from sluice.hooks.notify import NotifyProvider
from sluice.systems import journal
from tests.fixtures.web import Answer, Web


class Step(Hook):
    """A hook to try."""

    moment = "backup"
    told = ("lines", "none")

    def run(self, props: dict[str, Any]) -> dict[str, Any]:
        """Fail as told, or say what came of it."""
        if props.get("fail"):
            raise props["fail"]
        return {"lines": ["shop: b1"], "none": [], "big": "x"}


@pytest.fixture
def props(tmp_path: Path) -> dict[str, Any]:
    source = Source(path=str(tmp_path / "journal.jsonl"), stack="production", run="r1", actor=Actor(user="ada", host="vm"))
    return {"release": "1-a", "settled": False, "journal": source.text}


@pytest.fixture
def told(tmp_path: Path) -> Callable[[], list[Event]]:
    return lambda: journal.read(tmp_path / "journal.jsonl")[0]


def test_good(props: dict[str, Any], told: Callable[[], list[Event]]):
    """A step that passes leaves its beginning, and its end with the outputs that matter."""
    Step().create(props)
    began, passed = told()
    assert (began.event, passed.event) == (Happened.BEGAN, Happened.PASSED)
    assert (passed.moment, passed.release, passed.stack, passed.run, passed.actor.user) == ("backup", "1-a", "production", "r1", "ada")
    assert passed.figures == {"lines": ["shop: b1"]}
    assert began.at <= passed.at


def test_nobody_listens(props: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With a journal that cannot be written and a deployer that is dead, a step still does what it is there for."""
    (tmp_path / "journal.jsonl").mkdir()
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as dead, monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", dead)
        assert dict(Step().create(props).outs or {})["lines"] == ["shop: b1"]
        with pytest.raises(BrokenPipeError):
            dead.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), writer)


def test_failed(props: dict[str, Any], told: Callable[[], list[Event]], web: Web, monkeypatch: pytest.MonkeyPatch):
    """One that fails leaves why, who is next, and who was told, where that arrived and where not."""
    monkeypatch.setenv("HOOK", web.tell("/hook", Answer(200)))
    notify = [{"kind": "slack", "url": "env:HOOK"}, {"kind": "discord", "url": "env:NONE"}]
    contacts = [{"name": "Ada", "role": "on-call"}]
    with pytest.raises(GateFailed):
        Step().update("1-a", {}, {**props, "fail": GateFailed("no room"), "notify": notify, "contacts": contacts})
    began, failed, sent = told()
    assert [began.event, failed.event, sent.event] == [Happened.BEGAN, Happened.FAILED, Happened.TOLD]
    assert (failed.text, failed.figures) == ("GateFailed: no room", {"contacts": contacts})
    assert (sent.text, sent.figures["to"], len(sent.figures["missed"])) == ("GateFailed: no room", ["slack", "discord"], 1)


def test_settled(tmp_path: Path):
    """Of a settled release, which is told no journal, nothing is written."""
    Step().create({"release": "1-a", "settled": True})
    assert list(tmp_path.iterdir()) == []


def test_not_written(props: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A journal that cannot be written fails nothing: it is a message of the update, or a note in the error."""
    (tmp_path / "journal.jsonl").mkdir()
    why = f"the journal '{tmp_path}/journal.jsonl' cannot be written (Is a directory)"
    assert Step().create(props).outs["big"] == "x"
    assert capsys.readouterr().err == f"{why}\n{why}\n"
    with pytest.raises(Unreachable) as caught:
        Step().create({**props, "fail": Unreachable("no answer")})
    assert str(caught.value) == f"no answer; {why}"


def test_a_bug(props: dict[str, Any], capsys: pytest.CaptureFixture[str]):
    """A bug in writing fails nothing either."""
    hook.say({**props, "moment": "nonsense"}, Happened.BEGAN)
    assert capsys.readouterr().err.startswith("the journal was not written: ValidationError in sluice.core.value, line ")


def test_planted(props: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A password that an error repeats is not in the journal, wherever the step was referred to it."""
    passwords = {"VARIABLE": "pl4nted-1", "FILE": "pl4nted-2 ä", "PASSFILE": "pl4nted-3", "DEPLOY_TOKEN": "pl4nted-4"}
    monkeypatch.setenv("VARIABLE", passwords["VARIABLE"])
    monkeypatch.setenv("DEPLOY_TOKEN", passwords["DEPLOY_TOKEN"])
    (tmp_path / "file").write_text(passwords["FILE"])
    (tmp_path / "pass").write_text(f"*:*:*:*:{passwords['PASSFILE']}\n")
    given = {"a": ["env:VARIABLE", f"file:{tmp_path}/file"], "databases": [{"store": {"passfile": str(tmp_path / "pass")}}]}
    with pytest.raises(GateFailed):
        Step().create({**props, **given, "fail": GateFailed(f"seen: {' '.join(passwords.values())} postgresql://u:pl4nted-5@h/d")})
    text = (tmp_path / "journal.jsonl").read_text()
    assert "pl4nted" not in text
    assert json.loads(text.splitlines()[1])["text"] == "GateFailed: seen: *** *** *** *** postgresql://u:***@h/d"


def test_gate(props: dict[str, Any], told: Callable[[], list[Event]], web: Web):
    """A gate leaves each check with what was observed and expected, whether it opens or not."""
    check: dict[str, Any] = {"name": "web is well", "ask": "http.status", "of": {"url": web.tell("/health", Answer(503), Answer(200))}}
    limit = {"limit": {"is": "==", "value": 200}}
    gate = {**props, "moment": "health", "checks": [{**check, **limit}], "deadline": 0}
    with pytest.raises(GateFailed):
        GateProvider().create(gate)
    GateProvider().create(gate)
    judged = [one.figures["verdicts"] for one in told() if one.event is Happened.JUDGED]
    url = check["of"]["url"]
    assert [(row["check"], row["outcome"], row["observed"], row["expected"]) for (row,) in judged] == [
        ("web is well", "failed", f"503 ({url})", "== 200"),
        ("web is well", "passed", f"200 ({url})", "== 200"),
    ]
    assert [one.event.value for one in told()] == ["began", "judged", "failed", "began", "judged", "passed"]


def test_notice(props: dict[str, Any], told: Callable[[], list[Event]], web: Web, monkeypatch: pytest.MonkeyPatch):
    """A notice is no step, but whom it was posted to is written down."""
    monkeypatch.setenv("HOOK", web.tell("/hook", Answer(200)))
    NotifyProvider().create({**props, "notify": [{"kind": "slack", "url": "env:HOOK"}], "text": "1-a begins"})
    NotifyProvider().create({**props, "notify": [], "text": "1-a begins"})
    (one,) = told()
    assert (one.event, one.moment, one.text, one.figures) == (Happened.TOLD, "record", "1-a begins", {"to": ["slack"], "missed": []})
