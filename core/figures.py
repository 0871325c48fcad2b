"""What a splitter counted for one version."""

from __future__ import annotations

from dataclasses import dataclass

from sluice.core.judge.histogram import Histogram
from sluice.core.judge.rates import Counts

EMPTY = Histogram()


@dataclass(frozen=True)
class Figures:
    """Requests answered (`total`), failures among them (`errors`), and how long the answers took."""

    total: int = 0
    errors: int = 0
    latency: Histogram = EMPTY

    def since(self, before: Figures) -> Figures:
        """Return what has come since an earlier look. A counter that has gone back was restarted, and counts from zero."""
        if self.total < before.total or self.errors < before.errors:
            return self
        past = dict(before.latency.bins)
        latency = Histogram(tuple((bound, max(0, count - past.get(bound, 0))) for bound, count in self.latency.bins))
        return Figures(self.total - before.total, self.errors - before.errors, latency)

    @property
    def counts(self) -> Counts:
        """Return the counts alone. A look between an error's two counters may see the error first."""
        return Counts(min(self.errors, self.total), self.total)
