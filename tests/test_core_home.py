"""Where traffic is, on plain data."""

from __future__ import annotations

from sluice.core.home import home, weights

BOTH = {"service": "web", "prefix": "/", "live": "web@1", "canary": "web@2"}
LIVE = {"service": "web", "prefix": "/", "live": "web@1"}


def test_weights():
    """A route without a canary, or at weight 0, is all live; one without either is closed."""
    assert weights(BOTH, 25) == {"web@1": 75, "web@2": 25}
    assert weights(BOTH, 0) == weights(LIVE, 25) == {"web@1": 100}
    assert weights({"service": "web", "prefix": "/"}, 25) == {}


def test_numbers_as_the_engine_sends_them():
    """Pulumi hands 100 over as 100.0; a share is at home all the same."""
    assert home({"routes": [BOTH], "weight": 100.0}, [{**LIVE, "live": "web@2"}])


def test_nothing_told():
    """A splitter that was never told anything is at home only where there is no door."""
    assert home({}, [])
    assert not home({}, [LIVE])
