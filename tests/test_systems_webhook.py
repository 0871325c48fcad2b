"""Webhooks, posted to a real server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sluice.systems.webhook import post, tell
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
    expected = "teams webhook not told: unknown kind of webhook 'teams': known are slack, discord"
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
