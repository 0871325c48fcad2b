"""Webhooks, posted to a real server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sluice.systems.webhook import post, reach, tell
from tests.fixtures.front import free
from tests.fixtures.web import Answer, Web


@pytest.fixture
def hook(web: Web, monkeypatch: pytest.MonkeyPatch) -> Web:
    monkeypatch.setenv("HOOK", web.tell("/services/planted", Answer(200, b"ok")))
    return web


def test_post(hook: Web):
    """A message arrives once, as JSON, in the shape of its kind."""
    assert post("slack", "env:HOOK", "1.2 is proven", {"by": "ada"}) == ""
    (asked,) = hook.asked
    assert (asked.method, asked.headers["content-type"]) == ("POST", "application/json")
    assert json.loads(asked.body)["text"] == "1.2 is proven"


def test_file(hook: Web, tmp_path: Path):
    """The URL can come from a private file."""
    secret = tmp_path / "hook"
    secret.touch(mode=0o600)
    secret.write_text(f"{hook.url}/services/planted\n")
    assert post("discord", f"file:{secret}", "hello") == ""
    assert json.loads(hook.asked[0].body)["content"] == "hello"


def test_second_try(hook: Web):
    """A failure is tried once more."""
    hook.tell("/services/planted", Answer(503), Answer(200))
    assert post("slack", "env:HOOK", "hello") == ""
    assert len(hook.asked) == 2


def test_warning(hook: Web):
    """After two tries there is a warning, without the URL."""
    hook.tell("/services/planted", Answer(503))
    assert post("slack", "env:HOOK", "hello") == "slack webhook not told, 2 tries: status 503"
    assert len(hook.asked) == 2


def test_unreachable(monkeypatch: pytest.MonkeyPatch):
    """Nobody there is a warning too."""
    monkeypatch.setenv("HOOK", f"http://127.0.0.1:{free()}/planted")
    assert post("slack", "env:HOOK", "hello") == "slack webhook not told, 2 tries: ConnectError"


def test_no_url(monkeypatch: pytest.MonkeyPatch):
    """A secret that is not a URL is a warning that does not repeat it."""
    monkeypatch.setenv("HOOK", "planted")
    assert post("slack", "env:HOOK", "hello") == "slack webhook not told, 2 tries: UnsupportedProtocol"


def test_no_secret(monkeypatch: pytest.MonkeyPatch):
    """A reference to nothing is a warning that names the reference."""
    monkeypatch.delenv("HOOK", raising=False)
    assert post("slack", "env:HOOK", "hello").startswith("slack webhook not told: ")


def test_unknown(hook: Web):
    """An unknown kind is a warning, and nothing is posted."""
    expected = "teams webhook not told: unknown kind of webhook 'teams': known are slack, discord, json"
    assert post("teams", "env:HOOK", "hello") == expected
    assert hook.asked == []


def test_tell(hook: Web):
    """All webhooks are told; only those that could not be leave a warning."""
    hooks = [{"kind": "slack", "url": "env:HOOK"}, {"kind": "teams", "url": "env:HOOK"}, {"kind": "discord", "url": "env:HOOK"}]
    assert [warning.partition(" ")[0] for warning in tell(hooks, "hello")] == ["teams"]
    assert len(hook.asked) == 2


def test_nobody():
    """Nobody to tell is no warning."""
    assert tell([], "hello") == []


def test_json(hook: Web, monkeypatch: pytest.MonkeyPatch):
    """Whatever takes JSON gets the text and the fields, or a team's own shape with the words in it, and the token that it wants."""
    monkeypatch.setenv("TOKEN", "planted")
    assert post("json", "env:HOOK", "1.2 is proven", {"by": "ada"}) == ""
    body = '{"incident": {"name": "Release ${release}", "status": "${state}", "body": "${text}", "seen": [1, "${next}"]}}'
    words = {"release": "1.2-a", "state": "proven"}
    assert post("json", "env:HOOK", 'it said "yes"', words, token="env:TOKEN", body=body) == ""
    plain, own = hook.asked
    assert (json.loads(plain.body), plain.headers.get("authorization")) == ({"text": "1.2 is proven", "fields": {"by": "ada"}}, None)
    shown = {"name": "Release 1.2-a", "status": "proven", "body": 'it said "yes"', "seen": [1, ""]}
    assert (json.loads(own.body), own.headers["authorization"]) == ({"incident": shown}, "Bearer planted")


def test_strange_token(hook: Web, monkeypatch: pytest.MonkeyPatch):
    """A token that cannot be sent is a warning that does not repeat it."""
    monkeypatch.setenv("TOKEN", "plan\nted")
    assert post("json", "env:HOOK", "hello", token="env:TOKEN").startswith("json webhook not told")
    monkeypatch.setenv("TOKEN", "pl\u00e4nted")
    assert "nted" not in post("json", "env:HOOK", "hello", token="env:TOKEN")


def test_every_kind(hook: Web, monkeypatch: pytest.MonkeyPatch):
    """All kinds are told at once; figures are pushed only where it is known of what, and a mail server that is away holds nobody up."""
    monkeypatch.setenv("MAIL", f"smtp://127.0.0.1:{free()}")
    mail = {"kind": "email", "url": "env:MAIL", "to": ["a@example.org"], "sender": "b@example.org"}
    hooks = [mail, {"kind": "json", "url": "env:HOOK"}, {"kind": "pushgateway", "url": "env:NONE"}]
    assert tell(hooks, "hello") == ["email not told: ConnectionRefusedError"]
    assert len(hook.asked) == 1


def test_reach(monkeypatch: pytest.MonkeyPatch):
    """Whom nobody could tell from here is known beforehand, by the reference."""
    monkeypatch.setenv("HOOK", "https://hooks.example.org/planted")
    monkeypatch.delenv("NONE", raising=False)
    found = reach([{"kind": "slack", "url": "env:HOOK"}, {"kind": "discord", "url": "env:NONE"}])
    assert found == [
        ("slack, env:HOOK", ""),
        ("discord, env:NONE", "the secret 'env:NONE' is not set on the machine that deploys; run: export NONE=..."),
    ]
