"""Notify: tells people that a release has started or is proven. It never fails one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from sluice.hooks.base import Hook, Props


class NotifyProvider(Hook):
    """Tells `text`, with `fields`, to everybody in `notify` (core.settings.people.Webhook).

    Output: `warnings`, one for each webhook that could not be told.
    """

    def run(self, props: Props) -> Props:
        """Post once."""
        return {"warnings": _tell(props)}


def _tell(props: Props) -> list[str]:
    from sluice.hooks import journal
    from sluice.hooks.failure import locate
    from sluice.systems import webhook

    try:
        missed = webhook.tell(props.get("notify") or [], props["text"], props.get("fields") or {}, source=journal.source(props))
    except Exception as error:
        return [locate(error)]
    # A message is part of no step, and the moment for them is the record.
    return [*missed, *(journal.told({**props, "moment": "record"}, props["text"], missed) if props.get("notify") else [])]


class Notify(Resource, module="sluice", name="Notify"):
    """A message in a stack; `props` are those of `NotifyProvider`."""

    warnings: pulumi.Output[list[str]]

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(NotifyProvider(), name, {**props, "warnings": None}, opts)
