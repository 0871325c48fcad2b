"""Who has the traffic, as arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.ladder import Cohort
from sluice.core.split import Route, Share

BETA = Cohort(header="x-beta")
BOTH = Route(service="web", prefix="/web/", live="web@1", canary="web@2")
LIVE = BOTH.model_copy(update={"canary": None})
CLOSED = BOTH.model_copy(update={"live": None, "canary": None})
NEW = BOTH.model_copy(update={"live": None})
NEXT = BOTH.model_copy(update={"live": "web@2", "canary": None})


@pytest.mark.parametrize(
    ("route", "weight", "weights"),
    [
        (BOTH, 0, {"web@1": 100}),
        (BOTH, 10, {"web@1": 90, "web@2": 10}),
        (BOTH, 100, {"web@2": 100}),
        (LIVE, 50, {"web@1": 100}),
        (CLOSED, 50, {}),
        (NEW, 0, {}),
        (NEW, 10, {"web@2": 10}),
        (BOTH.model_copy(update={"canary": "web@1"}), 30, {"web@1": 100}),
    ],
)
def test_weights(route: Route, weight: int, weights: dict[str, int]):
    """Live has what the canary has not; nobody has 0; a door with nobody behind it is closed."""
    assert Share(routes=[route], weight=weight).weights(route) == weights


@given(st.integers(0, 100))
def test_weights_come_to_the_whole(weight: int):
    """Whatever the weight, a door with a live version gives away all of its traffic, and nothing else."""
    assert sum(Share(weight=weight).weights(BOTH).values()) == 100


def test_versions():
    """A route may reach its live version and its canary, live first, each once."""
    assert [route.versions for route in (BOTH, LIVE, NEW, CLOSED)] == [["web@1", "web@2"], ["web@1"], ["web@2"], []]


def test_carries():
    """A version can receive requests by weight, or as the cohort's at weight 0; else it may be stopped."""
    assert Share(routes=[BOTH], weight=10).carries("web@2")
    assert Share(routes=[BOTH], cohort=BETA).carries("web@2")
    assert not Share(routes=[BOTH]).carries("web@2")
    assert Share(routes=[BOTH]).carries("web@1")
    assert not Share(routes=[BOTH], weight=100, cohort=BETA).carries("web@1")
    assert not Share().carries("web@1")


def test_only():
    """All traffic is on the live versions when each door leads there alone, whatever the weight was called."""
    assert Share(routes=[BOTH]).only([LIVE])
    assert Share(routes=[BOTH], weight=100).only([NEXT])
    assert not Share(routes=[BOTH], weight=1).only([LIVE])
    assert not Share(routes=[BOTH], weight=99).only([NEXT])


def test_only_with_a_cohort():
    """A cohort on its way leads away from the live version; at 100 % it goes where all go, and nothing is left to do."""
    assert not Share(routes=[BOTH], cohort=BETA).only([LIVE])
    assert Share(routes=[BOTH], weight=100, cohort=BETA).only([NEXT])


def test_only_counts_doors():
    """A door too many, one too few and one that has moved are not where traffic belongs."""
    moved, api = LIVE.model_copy(update={"prefix": "/"}), Route(service="api", prefix="/api/", live="api@1")
    assert not Share(routes=[LIVE, api]).only([LIVE])
    assert not Share(routes=[LIVE]).only([LIVE, api])
    assert not Share(routes=[LIVE]).only([moved])
    assert not Share(routes=[LIVE, moved]).only([moved])
    assert Share(routes=[api, LIVE]).only([LIVE, api])
