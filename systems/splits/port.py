"""The port of a splitter: what every way of dividing traffic owes to the canary."""

from __future__ import annotations

from typing import Any, Protocol

from sluice.core.figures import Figures
from sluice.core.ladder import Cohort
from sluice.core.lease import Lease, Seen
from sluice.core.split import Route, Share
from sluice.core.version import Version


class Split(Protocol):
    """Divides traffic. Every method raises Unreachable when the splitter cannot be asked.

    `owner` is the token that this one becomes the owner with. Beside the share is the lease on it (core.lease), which the keeper reads:
    both change in one step, as far as anybody sees who asks for both (`seen`).
    """

    owner: str

    def get(self) -> Share:
        """Return what the splitter was last told. May be called by anybody at any time."""

    def doors(self) -> list[Route]:
        """Return the routes that it was last told; where these cannot be read, those that are at hand for the way back."""

    def told(self) -> dict[str, Any]:
        """Return the same as plain data, without parsing it: the look of a no-change update."""

    def take(
        self, release: str, routes: list[Route], *, lease: Lease | None = None, after: str | None = None, since: float | None = None
    ) -> Share:
        """Become the owner, whoever was. A share of this very release and routes is kept; any other goes to weight 0 first.

        The lease there is goes, and `lease` comes in its place. With `after` only when that is the owner now, with `since` (seconds since
        the epoch) only when nobody has asked for an abort from then on; else Superseded.
        """

    def set(self, weight: int, cohort: Cohort | None = None) -> Share:
        """Write the weight, if still the owner (else Superseded). Returns before it is applied; the same call twice is harmless."""

    def seen(self) -> Seen:
        """Return share, lease, and the owner's last sign, as of one moment. What cannot be read is part of the answer.

        Unreachable only where another process does not let anybody look.
        """

    def hold(self, lease: Lease) -> None:
        """Put another lease in the place of this owner's, if still the owner (else Superseded)."""

    def beat(self, at: float) -> None:
        """Give a sign of life, at a time in seconds since the epoch; without a lease of one's own, none."""

    def drop(self) -> None:
        """Put this owner's lease away, if still the owner (else Superseded)."""

    def kept(self, now: float, owner: str | None = None) -> bool:
        """Say whether a keeper is at work at a time (seconds since the epoch); with `owner`, whether it judges that one's lease."""

    def confirm(self, share: Share, timeout: float) -> bool:
        """Wait until the splitter has applied this share; False when it has not within `timeout` seconds."""

    def figures(self, versions: list[Version]) -> dict[str, Figures]:
        """Return what each version (by name) has answered since it was known to the splitter. Counters only grow."""
