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


class Pair(Value):
    """One service's new version and the live one it is compared with (None on a first deployment)."""

    canary: Version
    live: Version | None = None


class Rollout(Value):
    """One ladder for all services of a release. `poll` and `deadline` in seconds."""

    release: str
    ladder: Ladder
    routes: list[Route]
    pairs: list[Pair] = []
    checks: list[Check] = []
    poll: float = Field(default=POLL, gt=0)
    deadline: float = Field(default=DEADLINE, gt=0)
