"""What every component shares: its children hang below it, and what the caller's options say flows through to them."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import pulumi


class Component(pulumi.ComponentResource):
    """A component of type `sluice:index:<class>`."""

    def __init__(self, name: str, props: dict[str, Any] | None = None, opts: pulumi.ResourceOptions | None = None) -> None:
        own = copy(opts) if opts else pulumi.ResourceOptions()
        # The children wait, not the component too: each wait is a turn of the engine, in every update that changes nothing.
        self.waits, own.depends_on = pulumi.ResourceOptions(depends_on=own.depends_on), None
        super().__init__(f"sluice:index:{type(self).__name__}", name, props or {}, own)

    def below(self, *after: pulumi.Resource, frozen: bool = False) -> pulumi.ResourceOptions:
        """Return a child's options: below this, after those, and frozen when it serves (nothing that serves is changed in place)."""
        own = pulumi.ResourceOptions(parent=self, depends_on=list(after), ignore_changes=["*"] if frozen else None)
        return pulumi.ResourceOptions.merge(self.waits, own)


def tell(component: pulumi.Resource, lines: pulumi.Output[Any]) -> None:
    """Show people what a step came to as soon as it has, in the output of `pulumi up`; of one that did not run, nothing.

    A settled release's step does not run and still has the outputs of the last time: who declares it asks no telling.
    """

    def say(found: Any) -> None:
        if found and not pulumi.runtime.is_dry_run():
            pulumi.log.info("\n".join(found), component)

    lines.apply(say)


def known(resources: Sequence[pulumi.Resource | None]) -> list[pulumi.Resource]:
    """Return the resources that there are."""
    return [resource for resource in resources if resource is not None]
