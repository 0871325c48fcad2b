"""Who watches the traffic that is not proven: asked once, for whoever shows it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sluice.core.lease import Lease
from sluice.history.stack import Stack
from sluice.systems import splits

if TYPE_CHECKING:
    from sluice.systems.splits.port import Split


@dataclass(frozen=True)
class Watch:
    """The lease on such traffic, None where there is none; the seconds since its deployer's last sign; whether a keeper is at work."""

    lease: Lease | None = None
    silent: float = 0.0
    keeper: bool = False

    @property
    def held(self) -> dict[str, Any] | None:
        """Return the hold of a release, as `core.lease.said` takes it; None where none is held."""
        lease = self.lease
        return lease.hold.shown(lease.release) if lease and lease.hold else None


def watch(seen: Stack, opened: Split | None = None) -> Watch:
    """Ask the splitter, by what is `opened` of it already; nobody watches where there is none."""
    if seen.split is None:
        return Watch()
    split, now = opened or splits.open(seen.split), time.time()
    there = split.seen()
    return Watch(there.lease, now - there.beat, split.kept(now))


def ended(seen: Stack) -> dict[str, Any] | None:
    """Return what the keeper took back last: `release`, when (`at`, in seconds since the epoch) and `why`; None where it never had to."""
    return splits.word(seen.split).get("ended") if seen.split else None
