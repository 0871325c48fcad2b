"""The limits that a canary is watched by."""

from __future__ import annotations

from sluice.core.settings.check import TABLE, Checks, Threshold
from sluice.core.verdict import Severity


def test_defaults():
    """Unless config says otherwise, all is watched, by runbook 004's limits."""
    table = Checks.read({}).table
    assert {name: limit.max for name, limit in table.items()} == {
        "error_rate": 0.05, "latency": 5.0, "connections": 0.8, "cpu": 0.8, "memory": 0.85, "error_delta": 0.01, "latency_delta": 0.6,
    }  # fmt: skip
    assert all(limit.action for limit in table.values())


def test_complete():
    """Every check that config may speak of has a default."""
    assert list(TABLE) == list(Checks.model_fields)


def test_one_key():
    """What config says replaces one default and leaves the others."""
    limit = Checks.read({"latency": {"max": "800ms", "severity": "P0", "quantile": "99%"}}).table["latency"]
    assert limit == Threshold(max=0.8, quantile=0.99, lasts=15, samples=50, severity=Severity.P0, action="look for slow queries")


def test_off():
    """A check that is off is not watched; the others are."""
    assert set(TABLE) - set(Checks.read({"cpu": {"off": True}, "memory": {"off": True}}).table) == {"cpu", "memory"}
