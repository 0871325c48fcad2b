"""What a canary is given to do."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from sluice.core.check import Check, Limit
from sluice.core.ladder import Cohort, Ladder, Step
from sluice.core.rollout import Pair, Rollout
from sluice.core.split import Route
from sluice.core.version import Version

CANARY = Version(service="web", version="2", name="web@2-aaaa", url="http://127.0.0.1:1", memory=2**30)
STEP = Step(weight=10, soak=1.5, not_before=datetime(2026, 1, 3, tzinfo=UTC), cohort=Cohort(cookie="beta"))
FULL = Rollout(
    release="r2",
    ladder=Ladder(steps=[STEP, Step(weight=100)]),
    routes=[Route(service="web", prefix="/", canary="web@2-aaaa")],
    pairs=[Pair(canary=CANARY)],
    checks=[Check(name="q", ask="sql", limit=Limit(is_="<", value=1))],
)


def doubles(data: object) -> object:
    """Return data the way the engine hands it over: every number a double."""
    if isinstance(data, dict):
        return {key: doubles(value) for key, value in data.items()}
    if isinstance(data, list):
        return [doubles(value) for value in data]
    return float(data) if isinstance(data, int) and not isinstance(data, bool) else data


def test_travels():
    """A rollout comes back from its way through the engine, where every number is a double, as it was."""
    assert Rollout.read(doubles(FULL.wire())) == FULL


@pytest.mark.parametrize(
    "wrong", [{"poll": 0}, {"deadline": 0}, {"hold": 0}, {"heartbeat": 0}, {"until": 0}, {"until": 101}, {"ladder": {"steps": []}}]
)
def test_refused(wrong: dict[str, object]):
    """A rollout without steps, and one that nobody would look at, are refused."""
    with pytest.raises(ValidationError):
        Rollout.read({**FULL.wire(), **wrong})


def test_handed():
    """A keeper is given the checks as it can put them, and nothing of how others do; where it asks as everybody does, all of it."""
    assert FULL.handed == FULL
    there = FULL.checks[0].model_copy(update={"of": {"host": "store"}})
    assert FULL.model_copy(update={"kept": [there]}).handed == FULL.model_copy(update={"checks": [there]})
    assert FULL.model_copy(update={"kept": []}).handed.checks == []
