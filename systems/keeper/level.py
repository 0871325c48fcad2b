"""The time of one lease, which somebody who sets the machine's clock does not move."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sluice.core.clock import Clock

if TYPE_CHECKING:
    from sluice.core.lease import Lease, Seen


class Level:
    """Begins with the machine's time as a lease is first seen, since that is what its hold is written in; from then on it only passes.

    A sign of the deployer counts from when it was seen, whatever time it gives: only that it is another one says that somebody lives.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock, self.zero = clock, clock.now() - clock.steady()
        self.lease: Lease | None = None
        # The last sign as it was given, and when that was, in this time.
        self.given = self.heard = 0.0

    def now(self) -> float:
        """Return seconds since the epoch, as they were counted when the lease was first seen."""
        return self.zero + self.clock.steady()

    @property
    def moved(self) -> float:
        """Return by how many seconds the machine's clock has been set since."""
        return self.clock.now() - self.now()

    def see(self, seen: Seen) -> Seen:
        """Return what was seen with the deployer's last sign in this time. A sign that was there before is as old as it says."""
        if seen.lease != self.lease:
            self.lease, self.zero = seen.lease, self.clock.now() - self.clock.steady()
            self.given = self.heard = seen.beat
        elif seen.beat != self.given:
            self.given, self.heard = seen.beat, self.now()
        return replace(seen, beat=self.heard)
