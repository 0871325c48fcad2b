"""The front door of a release."""

from __future__ import annotations

from typing import Any

import pulumi

from sluice.components.release.scope import Scope


class Doors:
    """The doors of a release's services: `front` is what the runtime has for all of them."""

    def __init__(self, on: Scope) -> None:
        self.on = on
        self.front = on.runtime.front(f"{on.name}-front", opts=on.below())

    @property
    def split(self) -> pulumi.Output[dict[str, Any]]:
        """Return the splitter with the doors as they are without this release: where traffic goes back to."""
        kept = [route.wire() for route in self.on.plan.kept]
        return self.front.split.apply(lambda split: {**split, "routes": kept})

    @property
    def fallback(self) -> dict[str, Any]:
        """Return what takes traffic back when a step fails; a settled release's steps do not run, and cost nothing."""
        return {} if self.on.plan.settled else {"fallback": self.split}

    @property
    def urls(self) -> pulumi.Output[dict[str, Any]]:
        """Return where each service is reached as its users do."""
        return self.front.url.apply(lambda url: dict.fromkeys(self.on.plan.target, url))
