"""Record: the last step of a release writes down that it is proven. What is live is exported from here, never from config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from sluice.hooks.base import Hook, Props


class RecordProvider(Hook):
    """Puts this release in front of the proven ones.

    Inputs beside every hook's: `record` (a `core.record.Record` without its time; {} of a settled release, which has one), `previous`,
    the `proven` of the stack's own last outputs, `backups`, ids by database, and `took`, seconds by migration. Outputs: `proven`, the
    last 20, newest first, a line each (`core.record.Record.text`); `live`, the first of them as data.
    """

    moment = "record"

    def run(self, props: Props) -> Props:
        """Write it down, with the time."""
        from datetime import UTC, datetime

        from sluice.core.record import Record, prove

        _lost(props)
        proven = [Record.parse(line) for line in props.get("previous") or []]
        if props["record"]:
            saved = {name: props.get(name) or {} for name in ("backups", "took")}
            proven = prove(Record.read({**props["record"], **saved, "at": datetime.now(UTC).isoformat(timespec="seconds")}), proven)
        return {"proven": [one.text for one in proven], "live": proven[0].shown}

    def rest(self, props: Props) -> Props:
        """Write down nothing new: what is held is not proven."""
        return self.run({**props, "record": {}})


def _lost(props: Props) -> None:
    """Refuse to prove a release whose traffic was taken back after the last step that looked."""
    if not props["record"] or not props.get("fallback"):
        return
    from sluice.core.errors import Superseded
    from sluice.systems import splits

    if by := splits.aborted(props["fallback"]):
        raise Superseded(f"{props['release']} is not proven, as its traffic was taken back ({by}): `pulumi up` begins again")


class Record(Resource, module="sluice", name="Record"):
    """The record in a stack; `props` are those of `RecordProvider`."""

    proven: pulumi.Output[list[str]]
    live: pulumi.Output[dict[str, Any]]

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(RecordProvider(), name, {**props, "proven": None, "live": None}, opts)
