"""The rules between keys: what they let pass (what they refuse is in test_core_settings_bad.yaml)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from sluice.core.settings import problems
from sluice.core.settings.release import Release
from sluice.core.settings.rollout import Rollout
from sluice.core.settings.rule import RULES
from sluice.core.settings.tree import RELEASE, ROLLOUT

NOW = datetime.fromisoformat("2026-11-03T09:00:00+00:00")
LATER = "2026-11-03T09:45:00+00:00"


@pytest.mark.parametrize(
    "rollout",
    [
        {"ladder": [100]},
        {"ladder": [{"cohort": {"cookie": "beta"}}, 100]},
        {"ladder": [10, {"weight": 100, "cohort": {"header": "x-beta"}}]},
        {"ladder": [{"weight": 10, "not_before": "2020-01-01T00:00:00Z"}, 100]},
        {"ladder": [{"weight": 10, "not_before": LATER}, {"weight": 100, "not_before": LATER}]},
        {"ladder": [10, {"weight": 100, "not_before": "2026-11-03T09:55:00Z"}]},
        {"ladder": [10, {"weight": 100, "not_before": "2026-11-09T09:00:00Z"}], "deadline": "7d"},
        {"ladder": [10, 25, {"weight": 50, "not_before": "2027-01-01T09:00:00Z"}, 100], "until": 25},
        {"ladder": [10, 50, 100], "soak": "30m", "until": 50},
        {"soak": "15m"},
        {"soak": 0, "poll": "10m"},
        {"soak": "1s", "poll": "1s"},
        {"checks": {"cpu": {"off": True}, "memory": {"off": False, "max": "90%"}}},
        {"windows": {"timezone": "UTC", "freeze": [{"from": "2026-12-24", "to": "2026-12-24", "why": "a day"}]}},
    ],
)
def test_fine(rollout: dict[str, Any]):
    """What is just right is right."""
    assert problems({"version": "1"}, rollout, now=NOW) == []


def test_settled_calendar():
    """A ladder whose calendar is over stays right: an `up` in the steady state must not be refused for it."""
    rollout = {"ladder": [{"weight": 10, "not_before": "2026-11-01T00:00:00Z"}, {"weight": 100, "not_before": "2026-11-02T00:00:00Z"}]}
    assert problems({"version": "1"}, rollout, now=NOW) == []


def test_reads():
    """Each rule reads keys that there are."""
    known = {f"{root}.{name}" for root, model in ((RELEASE, Release), (ROLLOUT, Rollout)) for name in model.model_fields}
    assert [rule.name for rule in RULES if not rule.reads or rule.reads - known] == []
