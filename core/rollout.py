"""What a canary is given to do: plain data, the same for every runtime."""

from __future__ import annotations

from pydantic import Field

from sluice.core.check import Check
from sluice.core.ladder import Ladder
from sluice.core.split import Route
from sluice.core.value import Value
from sluice.core.version import Version

# A poll each second: a bad step is seen within one, and Envoy's counters cost a few milliseconds to read.
POLL = 1.0
# An hour for all steps together: longer rollouts are held by the keeper, not by one engine operation.
DEADLINE = 3600.0
# A deployer gives a sign ten times a second, and a slow proxy or disk may hold it up for some five seconds: twice that is no pause.
HEARTBEAT = 10.0
# A working day and the night after it: what nobody promotes within that was forgotten.
HOLD = 86400.0


class Pair(Value):
    """One service's new version and the live one it is compared with (None on a first deployment)."""

    canary: Version
    live: Version | None = None


class Rollout(Value):
    """One ladder for all services of a release. `poll` and `deadline` in seconds.

    `until` is the weight at which this update ends; below 100 the keeper holds it there for `hold` seconds. `heartbeat` is how long, in
    seconds, traffic may have nobody at work. `kept` are the checks as the keeper can put them, where it reaches things in another way.
    """

    release: str
    ladder: Ladder
    routes: list[Route]
    pairs: list[Pair] = []
    checks: list[Check] = []
    kept: list[Check] | None = None
    poll: float = Field(default=POLL, gt=0)
    deadline: float = Field(default=DEADLINE, gt=0)
    until: int = Field(default=100, ge=1, le=100)
    hold: float = Field(default=HOLD, gt=0)
    heartbeat: float = Field(default=HEARTBEAT, gt=0)

    @property
    def handed(self) -> Rollout:
        """Return it as the keeper is given it."""
        return self if self.kept is None else self.model_copy(update={"checks": self.kept, "kept": None})
