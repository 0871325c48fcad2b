"""The front door of a release."""

from __future__ import annotations

from typing import Any

import pulumi

from sluice.components.release.scope import Scope


class Doors:
    """The doors of a release's services: `front` is what the runtime has for all of them; `held` says, once the canary has been
    declared, where the keeper holds the release."""

    held: pulumi.Output[dict[str, Any]]

    def __init__(self, on: Scope) -> None:
        self.on = on
        self.front = on.runtime.front(f"{on.name}-front", opts=on.below())

    @property
    def split(self) -> pulumi.Output[dict[str, Any]]:
        """Return the splitter with the doors as they are without this release: where traffic goes back to."""
        kept = [route.wire() for route in self.on.plan.kept]
        return self.front.split.apply(lambda split: {**split, "routes": kept})

    @property
    def rests(self) -> dict[str, Any]:
        """Return what lets a step after the canary rest, of a release that is held on the way."""
        return {"held": self.held} if self.on.plan.holds else {}

    @property
    def later(self) -> dict[str, Any]:
        """Return what a step after the canary is given: what takes traffic back when it fails; and, of a release that is held on the way,
        that it rests. A settled release's steps do not run, and cost nothing."""
        return {} if self.on.plan.settled else {"fallback": self.split, **self.rests}

    @property
    def urls(self) -> pulumi.Output[dict[str, Any]]:
        """Return where each service is reached as its users do."""
        return self.front.url.apply(lambda url: dict.fromkeys(self.on.plan.target, url))
