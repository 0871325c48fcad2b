"""A feature flag as a resource. It waits for no gate: switching something off must not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from sluice.hooks.base import Props


class FlagProvider(ResourceProvider):
    """Inputs: `file`, `flag`, `on`."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: Any, news: Any) -> DiffResult:
        """Report a change of the declaration, or of the world: a flag switched by hand goes back to what config says."""
        return DiffResult(changes=_differs(olds, news))

    def create(self, props: Props) -> CreateResult:
        """Switch it."""
        return CreateResult(id_=props["flag"], outs=_put(props))

    def update(self, _id: str, olds: Any, news: Any) -> UpdateResult:
        """Switch it; in another file or under another name, forget the old one."""
        if (olds["file"], olds["flag"]) != (news["file"], news["flag"]):
            self.delete(_id, olds)
        return UpdateResult(outs=_put(news))

    def delete(self, _id: str, props: Any) -> None:
        """Forget it: services fall back to their own default."""
        sys.tracebacklimit = 0
        from sluice.systems import flags

        if flags.there(Path(props["file"])):
            flags.put(Path(props["file"]), props["flag"], None)


def _put(props: Props) -> Props:
    sys.tracebacklimit = 0
    from sluice.systems import flags

    flags.put(Path(props["file"]), props["flag"], bool(props["on"]))
    return props


def _differs(olds: Props, news: Props) -> bool:
    from sluice.core.errors import Unreachable
    from sluice.systems import flags

    told = any(olds.get(key) != news.get(key) for key in ("file", "flag", "on"))
    try:
        return told or flags.read(Path(news["file"])).get(news["flag"]) != news["on"]
    except Unreachable:
        # An update says so in one line; a diff would print where it was found.
        return True


class Flag(Resource, module="sluice", name="Flag"):
    """The flag as a resource."""

    def __init__(self, name: str, props: Props, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(FlagProvider(), name, {**props}, opts)
