"""Smoke tests, declared on their own or by a Release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from sluice.components.base import Component
from sluice.hooks import smoke

# Phase 3 of runbook 004 gives its tests two to three minutes.
DEADLINE = 180.0


class SmokeTest(Component):
    """Walks real journeys through real services, and leaves nothing of its own behind.

    `journeys` are core.journey.Journey as data (`core.journey.load` reads them from a file); `targets` base URLs by service;
    `databases` where SQL steps look, by name; `skip` who lets the release go without them. Output: `verdicts`.
    """

    def __init__(
        self,
        name: str,
        *,
        release: pulumi.Input[str],
        settled: bool | None = None,
        journeys: Sequence[Mapping[str, Any]],
        targets: pulumi.Input[Mapping[str, str]],
        databases: Mapping[str, Any] | None = None,
        deadline: float = DEADLINE,
        skip: str = "",
        common: Mapping[str, Any] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, {"release": release}, opts)
        own = {"release": release, "settled": settled, "journeys": list(journeys), "targets": targets}
        props = {**(common or {}), **own, "databases": dict(databases or {}), "deadline": deadline, **({"skip": skip} if skip else {})}
        smoke.Smoke(f"{name}-journeys", props, self.below())
        self.register_outputs({})
