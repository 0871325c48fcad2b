"""What a splitter counted for one version."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Figures:
    """Requests answered, failures among them, and latencies as (upper bound in seconds, count) pairs, bounds ascending."""

    total: int = 0
    errors: int = 0
    latency: tuple[tuple[float, int], ...] = field(default=())

    def since(self, before: Figures) -> Figures:
        """Return what has come since an earlier look. A counter that has gone back was restarted, and counts from zero."""
        if self.total < before.total or self.errors < before.errors:
            return self
        past = dict(before.latency)
        latency = tuple((bound, max(0, count - past.get(bound, 0))) for bound, count in self.latency)
        return Figures(self.total - before.total, self.errors - before.errors, latency)
