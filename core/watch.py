"""What a canary's checks come to, look after look: pure.

A breach counts once it has lasted as long as its check says; a critical one (P0) counts at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sluice.core.check import Check
from sluice.core.verdict import Outcome, Severity, Verdict, worst


class Watch:
    """Remembers when each check's breach began."""

    def __init__(self, checks: Sequence[Check]) -> None:
        self.lasts: Mapping[str, float] = {check.name: check.lasts for check in checks}
        self.began: dict[str, float] = {}

    def counted(self, at: float, verdicts: Sequence[Verdict]) -> list[Verdict]:
        """Return the verdicts as they count at a time (seconds): a young breach is inconclusive, it holds the step but ends nothing."""
        return [self._counted(at, verdict) for verdict in verdicts]

    def _counted(self, at: float, verdict: Verdict) -> Verdict:
        if verdict.outcome is not Outcome.FAILED:
            self.began.pop(verdict.check, None)
            return verdict
        age = at - self.began.setdefault(verdict.check, at)
        lasts = self.lasts.get(verdict.check, 0.0)
        if age >= lasts or verdict.severity is Severity.P0:
            return verdict
        young = f"{verdict.text}, for {age:.0f} s of {lasts:.0f} s"
        return verdict.model_copy(update={"outcome": Outcome.INCONCLUSIVE, "text": young})


def reason(verdicts: Sequence[Verdict]) -> str:
    """Return the sentences behind the worst outcome, the most severe first."""
    outcome = worst(verdicts)
    telling = [verdict for verdict in verdicts if verdict.outcome is outcome]
    return "; ".join(verdict.text for verdict in sorted(telling, key=lambda verdict: verdict.severity))
