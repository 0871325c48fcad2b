"""Payloads of webhooks, in the shapes that Slack and Discord document."""

from __future__ import annotations

import pytest

from sluice.core.notice import discord, payload, slack


def test_slack():
    """Slack gets a section with fields, and the text again for notifications; its three special characters are escaped."""
    assert slack("p95 > 5 s & rising <now>", {"release": "1.2"}) == {
        "text": "p95 &gt; 5 s &amp; rising &lt;now&gt;",
        "blocks": [
            {
                "type": "section",
                "text": {"type": "mrkdwn", "text": "p95 &gt; 5 s &amp; rising &lt;now&gt;"},
                "fields": [{"type": "mrkdwn", "text": "*release*\n1.2"}],
            }
        ],
    }


def test_discord():
    """Discord gets the text, an embed with fields, and mentions nobody whatever the text says."""
    assert discord("@everyone 1.2 failed", {"release": "1.2", "by": ""}) == {
        "content": "@everyone 1.2 failed",
        "allowed_mentions": {"parse": []},
        "embeds": [{"fields": [{"name": "release", "value": "1.2", "inline": True}, {"name": "by", "value": "-", "inline": True}]}],
    }


def test_no_fields():
    """Without fields there is no empty list of them, which both services refuse."""
    assert "fields" not in slack("hello", {})["blocks"][0]
    assert "embeds" not in discord("hello", {})


def test_limits():
    """A text that is too long is cut, since the service would refuse all of it."""
    fields = {str(number): "v" * 5000 for number in range(30)}
    section = slack("x" * 5000, fields)["blocks"][0]
    assert (len(section["text"]["text"]), len(section["fields"]), len(section["fields"][0]["text"])) == (3000, 10, 2000)
    message = discord("x" * 5000, fields)
    assert (len(message["content"]), message["content"][-1]) == (2000, "…")
    assert (len(message["embeds"][0]["fields"]), len(message["embeds"][0]["fields"][0]["value"])) == (25, 1024)


def test_unknown():
    """An unknown kind is refused with the known ones."""
    with pytest.raises(ValueError, match=r"^unknown kind of webhook 'teams': known are slack, discord, json$"):
        payload("teams", "hello", {})
