"""The port of a splitter: what every way of dividing traffic owes to the canary."""

from __future__ import annotations

from typing import Any, Protocol

from sluice.core.figures import Figures
from sluice.core.ladder import Cohort
from sluice.core.split import Route, Share
from sluice.core.version import Version


class Split(Protocol):
    """Divides traffic. Every method raises Unreachable when the splitter cannot be asked."""

    def get(self) -> Share:
        """Return what the splitter was last told. May be called by anybody at any time."""

    def told(self) -> dict[str, Any]:
        """Return the same as plain data, without parsing it: the look of a no-change update."""

    def take(self, release: str, routes: list[Route]) -> Share:
        """Become the owner, whoever was. A share of this very release and routes is kept; any other goes to weight 0 first."""

    def set(self, weight: int, cohort: Cohort | None = None) -> Share:
        """Write the weight, if still the owner (else Superseded). Returns before it is applied; the same call twice is harmless."""

    def confirm(self, share: Share, timeout: float) -> bool:
        """Wait until the splitter has applied this share; False when it has not within `timeout` seconds."""

    def figures(self, versions: list[Version]) -> dict[str, Figures]:
        """Return what each version (by name) has answered since it was known to the splitter. Counters only grow."""
