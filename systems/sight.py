"""What is seen of versions that have traffic, from one moment on: the splitter's figures since then, and the logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sluice.core.check import Check, dated, judge
from sluice.core.clock import Clock
from sluice.core.errors import Unreachable
from sluice.core.figures import Figures
from sluice.core.reading import Number, Reading, Unasked
from sluice.core.traffic import reading
from sluice.core.verdict import Verdict
from sluice.core.version import Version
from sluice.core.wait import until
from sluice.systems.ask import verdict
from sluice.systems.splits.port import Split

# Latencies are as new as the question before (systems/envoy.py), and on a busy machine some questions older: the first look is taken
# again until it has those of all that had been answered when it was begun. Some never come: of answers that are the proxy's own.
AGAIN, MERGED = 0.1, 2.0


class Sight:
    """What is seen since it was opened: the splitter's figures are counted from there, and logs are read from there."""

    def __init__(self, split: Split, versions: Sequence[Version], clock: Clock) -> None:
        self.split, self.versions = split, {version.name: version for version in versions}
        self.begun = clock.now()
        first = split.figures([*versions])
        clock.wait(AGAIN)
        self.before = until(
            lambda: split.figures([*versions]), lambda now: _whole(first, now), clock=clock, deadline=MERGED - AGAIN, poll=AGAIN
        )

    def verdict(self, check: Check) -> Verdict:
        """Ask and judge one check."""
        if check.ask.startswith("split."):
            return judge(check, self._figures(check))
        return verdict(dated(check, self.begun))

    def _figures(self, check: Check) -> Reading:
        name = str(check.of["version"])
        try:
            whole = self.split.figures([self.versions[name]])[name]
        except Unreachable as error:
            return Unasked(str(error))
        seen = reading(check, whole.since(self.before[name]))
        if not isinstance(seen, Number) or not seen.evidence:
            return seen
        # Judged is what is so now. What came before is told beside it: an hour ago may have been worse.
        return replace(seen, evidence=f"{seen.evidence} now, {whole.errors} of {whole.total} in all")


def _whole(first: Mapping[str, Figures], now: Mapping[str, Figures]) -> bool:
    """Say whether the latencies are there of all that had been answered at a first look."""
    return all(now[name].latency.total >= one.total for name, one in first.items())
