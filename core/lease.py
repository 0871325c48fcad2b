"""The lease on traffic that is not proven: who watches it, and when it goes back. Pure; the keeper asks, and does what it says.

    ATTENDED ── no sign of the deployer for most of `heartbeat` ──▶ back to 0
       │
       └── handed over at the step that an update ends with ──▶ HELD ── its end, or a check that fails ──▶ back to 0

A lease never says that a weight goes up: whoever holds it can only keep traffic or give it back. Whatever does not fit together
(a plan that cannot be read, another owner, another weight) gives it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from sluice.core.mark import iso
from sluice.core.rollout import HEARTBEAT
from sluice.core.settings.duration import text
from sluice.core.split import Share
from sluice.core.value import Value

# The way back takes a look, a write, and perhaps a start of the keeper itself: that has to fit into the same `heartbeat`.
LATE = 0.8


class Hold(Value):
    """A step at which an update has ended: `weight` in per cent, `since` and `until` in seconds since the epoch."""

    weight: int = Field(ge=1, le=100)
    since: float
    until: float

    def shown(self, release: str) -> dict[str, Any]:
        """Return a release's hold as other stacks and people read it."""
        return {"release": release, "weight": self.weight, "since": _iso(self.since), "until": _iso(self.until)}


def said(held: Mapping[str, Any]) -> str:
    """Say a hold, as `Hold.shown` has it, for people."""
    return f"'{held['release']}' is held at {held['weight']} % since {held['since']}, until {held['until']}"


class Lease(Value):
    """What the keeper is told. `owner` is the token of whoever has the traffic, `heartbeat` in seconds, `rollout` a core.rollout.Rollout as
    data, `notify` the webhooks that are told when the traffic goes back, `journal` where that is written down (core.journal.Source as text;
    "" nowhere). With a `hold` the keeper judges; without one a deployer does."""

    release: str
    owner: str
    rollout: dict[str, Any]
    heartbeat: float = Field(gt=0)
    hold: Hold | None = None
    notify: list[dict[str, Any]] = []
    journal: str = ""


NOTHING = Share()


@dataclass(frozen=True)
class Seen:
    """What lies beside the splitter at one moment: the lease (None: there is none, or it cannot be read, and `broken` says why), the
    share, and the deployer's last sign in seconds since the epoch."""

    lease: Lease | None = None
    broken: str = ""
    share: Share = NOTHING
    beat: float = 0.0


class Act(StrEnum):
    """What the keeper is to do."""

    REST = "rest"  # nothing
    JUDGE = "judge"  # put the checks: nobody else does
    DROP = "drop"  # put the lease away: its traffic has gone back already
    BACK = "back"  # take all traffic back, from whoever has it


def _iso(at: float) -> str:
    return iso(datetime.fromtimestamp(at, UTC))


def decide(seen: Seen, now: float) -> tuple[Act, str]:
    """Return what is to be done at a time (seconds since the epoch), and why."""
    if seen.broken:
        return Act.BACK, seen.broken
    if seen.lease is None:
        return Act.REST, ""
    if seen.share.owner != seen.lease.owner:
        return Act.BACK, f"the traffic is not that of the keeper's plan for {seen.lease.release}"
    return _attended(seen.lease, seen.beat, now) if seen.lease.hold is None else _held(seen.lease.hold, seen.share, now)


def _attended(lease: Lease, beat: float, now: float) -> tuple[Act, str]:
    # A sign from the future is none: the clock was set, and could be hours behind it.
    if abs(now - beat) <= LATE * lease.heartbeat:
        return Act.REST, ""
    return Act.BACK, f"no sign of the deployer within {text(lease.heartbeat)}"


def _held(hold: Hold, share: Share, now: float) -> tuple[Act, str]:
    if share.weight == 0 and share.cohort is None:
        return Act.DROP, ""
    if share.weight != hold.weight:
        return Act.BACK, f"the weight is {share.weight} %, and {hold.weight} % is to be held"
    if now >= hold.until:
        return Act.BACK, f"the hold of {text(hold.until - hold.since)} at {hold.weight} % is over"
    # Set back that far, it would hold for ever.
    if now < hold.since - HEARTBEAT:
        return Act.BACK, f"the clock was set to before the hold at {hold.weight} % began"
    return Act.JUDGE, ""
