"""What a chat service wants to be sent: Slack's and Discord's shapes of one notice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sluice.core.settings.permission import without

Payload = dict[str, Any]

# The services refuse a whole message for one part that is too long.
SLACK_TEXT = 3000  # a section's text (Slack, "Reference: blocks")
SLACK_FIELDS = 10
SLACK_FIELD = 2000
DISCORD_TEXT = 2000  # `content` (Discord, "Webhook resource")
DISCORD_FIELDS = 25
DISCORD_NAME = 256
DISCORD_VALUE = 1024


def begins(release: str, stack: str, skipped: Mapping[str, str]) -> str:
    """Say that a release begins; `skipped` is what it goes without, each with who lets it."""
    return f"{release} begins on {stack}{without(skipped)}"


def proves(release: str, stack: str, skipped: Mapping[str, str]) -> str:
    """Say that it is proven."""
    return f"{release} is live and proven on {stack}{without(skipped)}"


def slack(text: str, fields: Mapping[str, str]) -> Payload:
    """Build Slack's payload: a section, the fields in two columns, and a plain text for notifications."""
    section: Payload = {"type": "section", "text": {"type": "mrkdwn", "text": _cut(_escaped(text), SLACK_TEXT)}}
    shown = [_cut(f"*{_escaped(name)}*\n{_escaped(value)}", SLACK_FIELD) for name, value in fields.items()]
    if shown:
        section["fields"] = [{"type": "mrkdwn", "text": field} for field in shown[:SLACK_FIELDS]]
    return {"text": _cut(_escaped(text), SLACK_TEXT), "blocks": [section]}


def discord(text: str, fields: Mapping[str, str]) -> Payload:
    """Build Discord's payload: the text, an embed with the fields, and no mention of anybody."""
    payload: Payload = {"content": _cut(text, DISCORD_TEXT), "allowed_mentions": {"parse": []}}
    shown = [
        # An empty name or value is refused, so it is shown as a dash.
        {"name": _cut(name or "-", DISCORD_NAME), "value": _cut(value or "-", DISCORD_VALUE), "inline": True}
        for name, value in fields.items()
    ]
    if shown:
        payload["embeds"] = [{"fields": shown[:DISCORD_FIELDS]}]
    return payload


def plain(text: str, fields: Mapping[str, str]) -> Payload:
    """Build the payload of whatever takes JSON."""
    return {"text": text, "fields": dict(fields)}


BUILD: Mapping[str, Callable[[str, Mapping[str, str]], Payload]] = {"slack": slack, "discord": discord, "json": plain}


def payload(kind: str, text: str, fields: Mapping[str, str]) -> Payload:
    """Build the payload for one kind of webhook; ValueError names the known kinds."""
    if kind not in BUILD:
        raise ValueError(f"unknown kind of webhook '{kind}': known are {', '.join(BUILD)}")
    return BUILD[kind](text, fields)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
