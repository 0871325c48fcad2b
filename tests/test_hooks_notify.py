"""Telling people about a release."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sluice.hooks.notify import NotifyProvider
from tests.fixtures.web import Answer, Web


def notify(**more: Any) -> dict[str, Any]:
    return {"release": "r1", "settled": False, "text": "r1 is proven", "notify": [{"kind": "slack", "url": "env:HOOK"}]} | more


def test_told(web: Web, monkeypatch: pytest.MonkeyPatch):
    """The text is posted once, and the outputs hold no warning and no URL."""
    monkeypatch.setenv("HOOK", web.tell("/planted", Answer(200)))
    outs = NotifyProvider().create(notify(fields={"by": "ada"})).outs
    assert outs == {"release": "r1", "warnings": []}
    (asked,) = web.asked
    assert json.loads(asked.body)["blocks"][0]["fields"] == [{"type": "mrkdwn", "text": "*by*\nada"}]


def test_warning(web: Web, monkeypatch: pytest.MonkeyPatch):
    """A webhook that fails leaves a warning, and the update goes on."""
    monkeypatch.setenv("HOOK", web.tell("/planted", Answer(500)))
    outs = NotifyProvider().create(notify()).outs
    assert outs is not None
    assert outs["warnings"] == ["slack webhook not told, 2 tries: status 500"]


def test_bug():
    """Even a webhook that nobody can make sense of does not end an update."""
    outs = NotifyProvider().create(notify(notify=[{}])).outs
    assert outs is not None
    assert len(outs["warnings"]) == 1
    assert outs["warnings"][0].startswith("KeyError in sluice.systems.webhook, line ")


def test_nobody():
    """Without webhooks nothing is posted."""
    assert NotifyProvider().create(notify(notify=None)).outs == {"release": "r1", "warnings": []}


def test_settled():
    """A settled release is not told again."""
    assert NotifyProvider().diff("r1", {}, notify(settled=True)).changes is False
