"""A guard on each version: it refuses to go while the version has traffic.

It depends on its version, so it is deleted first; `--continue-on-error` skips gates that failed, but not this.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from sluice.hooks.base import Props


class GuardProvider(ResourceProvider):
    """Inputs: `version` (its name), `split` (a runtime's descriptor as JSON, or as data)."""

    serialize_as_secret_always = False

    def diff(self, _id: str, _olds: Any, _news: Any) -> DiffResult:
        """Follow the splitter's address."""
        return DiffResult(changes=_olds.get("split") != _news.get("split"))

    def create(self, props: Props) -> CreateResult:
        """Stand guard."""
        return CreateResult(id_=props["version"], outs=props)

    def update(self, _id: str, _olds: Any, _news: Any) -> UpdateResult:
        """Stand guard before another splitter."""
        return UpdateResult(outs=_news)

    def delete(self, _id: str, _props: Any) -> None:
        """Refuse while the version can receive requests."""
        sys.tracebacklimit = 0
        from sluice.core.errors import Refused
        from sluice.systems import splits

        name, split = _props["version"], _props["split"]
        if splits.open(json.loads(split) if isinstance(split, str) else split).get().carries(name):
            reason = f"version '{name}' still has traffic, so it is not stopped: finish or abort its rollout with `pulumi up` first"
            raise Refused([reason])


class Guard(Resource, module="sluice", name="Guard"):
    """The guard as a resource."""

    def __init__(self, name: str, props: Props, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(GuardProvider(), name, props, opts)
