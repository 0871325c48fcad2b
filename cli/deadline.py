"""A deadline while an update runs: what is left is shown, and when it is over, people are told. The update goes on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sluice.cli import say

if TYPE_CHECKING:
    from sluice.core.rollback.deadline import Deadline
    from sluice.core.rollback.plan import Plan
    from sluice.history.stack import Stack


class Countdown:
    """Looks at the clock whenever it is told to; tells people once.

    It stops nothing: half-way, all traffic would be on the release that is to be left.
    """

    def __init__(self, seen: Stack, made: Plan, deadline: Deadline) -> None:
        self.seen, self.made, self.deadline = seen, made, deadline
        self.part = -1
        self.told = False

    def tick(self) -> None:
        """Say what there is to say at this moment."""
        now = time.monotonic()
        if self.deadline.late(now):
            self._escalate()
        elif (part := self.deadline.part(now)) > self.part:
            self.part = part
            say.lines(self.deadline.left(now))

    def end(self) -> bool:
        """Say at the end whether it came too late; who was not told while it ran is told now."""
        late = self.deadline.late(time.monotonic())
        if late:
            self._escalate()
        return late

    def _escalate(self) -> None:
        if self.told:
            return
        self.told = True
        from sluice.core.contact import chain
        from sluice.systems import webhook

        rollout, made = self.seen.settings, self.made
        next = chain(rollout.chain)
        what = f"going back from '{made.failing}' to '{made.target}' on '{self.seen.pulumi.stack}'"
        text = f"{self.deadline.over}: {what}; it goes on, as to stop it would leave the traffic where it is"
        say.error("; ".join([text, *([f"next: {next}"] if next else [])]))
        fields = {
            "release": made.failing,
            "stack": self.seen.pulumi.short,
            "state": "failed",
            "moment": "rollback",
            **({"next": next} if next else {}),
        }
        for warning in webhook.tell(rollout.webhooks, text, fields):
            say.error(warning)


def countdown(seen: Stack, made: Plan, begun: float) -> Countdown | None:
    """Return the countdown of a plan, since `begun` (time.monotonic); None where its severity leaves all the time there is."""
    from sluice.core.rollback.deadline import Deadline

    deadline = Deadline.of(made.severity, begun)
    return Countdown(seen, made, deadline) if deadline else None
