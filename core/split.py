"""Who has the traffic: the share that a splitter holds, for all services of a release at once."""

from __future__ import annotations

from sluice.core import home
from sluice.core.ladder import Cohort
from sluice.core.value import Value


class Route(Value):
    """The door of one service: requests under `prefix` go to `live`, and a share of them to `canary` (names of versions)."""

    service: str
    prefix: str
    live: str | None = None
    canary: str | None = None

    @property
    def versions(self) -> list[str]:
        """Return the versions that this route may reach, live first."""
        return [name for name in dict.fromkeys((self.live, self.canary)) if name]


class Share(Value):
    """What the splitter was told: `weight` per cent of each route go to its canary.

    `release` is whom the weight is for, `owner` the deployer that may write, `revision` proves that the splitter follows.
    """

    routes: list[Route] = []
    weight: int = 0
    cohort: Cohort | None = None
    release: str = ""
    owner: str = ""
    revision: str = ""

    def weights(self, route: Route) -> dict[str, int]:
        """Return per cent by version, without zeros; empty when the door is closed."""
        return home.weights(route.wire(), self.weight)

    def carries(self, name: str) -> bool:
        """Say whether a version can receive requests: by weight, or as the cohort's."""
        return any(name in self.weights(route) or (self.cohort and route.canary == name) for route in self.routes)

    def only(self, routes: list[Route]) -> bool:
        """Say whether all traffic is where these routes' live versions are, and nowhere else."""
        return home.home(self.wire(), [route.wire() for route in routes])
