"""The judge's promises, by simulation (the full tables are in docs/judge.md)."""

from __future__ import annotations

from functools import partial

import pytest

from bench.judge import (
    ALARM_HEAD,
    BEGIN,
    BOUND_HEAD,
    CLUMP_HEAD,
    END,
    FEW,
    LATE_HEAD,
    LEAST_HEAD,
    MOMENT_HEAD,
    PACE_ALARM_HEAD,
    PACE_HEAD,
    PAGE,
    PARAMETERS,
    SIGHT_HEAD,
    SPLITS,
    Rate,
    Slow,
    alarms,
    bounded,
    delay,
    detections,
    naive,
    same,
    stopped,
    wave,
)
from sluice.core.judge.power import POWER, detectable
from sluice.core.judge.wager import ALPHA, FALSE_ALARM, MINIMUM

# Chance must not fail a build: three deviations above the promise, for so many runs.
RUNS = 300
SLACK = 3 * (FALSE_ALARM * (1 - FALSE_ALARM) / RUNS) ** 0.5


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("rate", [partial(same, rate=0.001), partial(same, rate=0.05), wave], ids=["0.1%", "5%", "drift"])
def test_good_canaries_are_seldom_stopped(split: str, rate: Rate) -> None:
    """Looked at a hundred times, a good canary is stopped no more often than promised, whatever the rate, drift or split."""
    assert alarms(SPLITS[split], rate, runs=RUNS, looks=100) <= ALPHA + SLACK


def test_a_test_for_one_look_cries_wolf() -> None:
    """The simulation can fail: a test made for one look, read at each of a hundred, breaks the promise."""
    assert naive(SPLITS["90/10"], partial(same, rate=0.01), runs=RUNS, looks=100) > FALSE_ALARM + SLACK


@pytest.mark.parametrize("base", [0.0, 0.01])
def test_the_margin_is_kept_at_its_edge(base: float) -> None:
    """A canary that is worse by exactly the margin is stopped no more often than promised."""
    assert bounded(0.02, base, runs=RUNS, looks=100) <= ALPHA + SLACK


@pytest.mark.parametrize(
    ("live", "canary", "samples", "at_least"),
    [(0.0, 0.12, 100, 0.99), (0.01, 0.12, 200, 0.99), (0.0, 0.03, 200, 0.85), (0.005, 0.03, 1000, 0.95), (0.01, 0.03, 1000, 0.8)],
)
def test_bad_canaries_are_stopped(live: float, canary: float, samples: int, at_least: float) -> None:
    """A canary with a tenth of the traffic is stopped within so many of its requests."""
    assert detections(SPLITS["90/10"], live, canary, samples, runs=200) >= at_least


def test_a_good_past_is_no_shelter() -> None:
    """A canary that turns bad after 3,000 good requests is stopped not much later than one that was bad from the start."""
    first, last = (delay(good, 0.0, 0.12, runs=31) for good in (0, 3000))

    assert first <= last <= 4 * first


@pytest.mark.parametrize(("samples", "base"), [(200, 0.0), (500, 0.01)])
def test_what_is_called_detectable_is_seen(samples: int, base: float) -> None:
    """A canary at the rate that preview calls detectable is stopped about 4 times in 5, or more, as there are looks in between."""
    rate = round(detectable(9 * samples, samples, base) or 1, 4)

    assert POWER - 0.06 <= detections(SPLITS["90/10"], base, rate, samples, runs=500) <= POWER + 0.15


@pytest.mark.parametrize("split", SPLITS)
def test_equally_fast_canaries_are_seldom_stopped(split: str) -> None:
    """With the same latencies on both sides even the test alone, without the effect, keeps the promise."""
    canary = SPLITS[split][1]

    assert stopped(Slow(split=SPLITS[split], effect=0.0, least=0), 60 * canary, runs=100) <= 2 * FALSE_ALARM


def test_slow_canaries_are_stopped() -> None:
    """A canary that takes twice as long is stopped within 200 of its requests, one that takes a tenth longer is not."""
    assert stopped(Slow(split=SPLITS["90/10"], times=2.0), 200, runs=50) >= 0.98
    assert stopped(Slow(split=SPLITS["90/10"], times=1.1), 200, runs=50) <= 0.2


def test_busy_moments_stop_few() -> None:
    """Where a moment slows all requests of a version in it, a canary that is as fast as live is stopped by its first requests far more
    often than promised, and within the promise from a hundred on."""
    at_once, enough = (stopped(Slow(split=FEW, moment=0.7, least=least), 300, runs=100) for least in (0, MINIMUM))
    assert at_once > 2 * FALSE_ALARM
    assert enough <= min(at_once / 3, 2 * FALSE_ALARM)


def test_the_page_shows_the_constants() -> None:
    """The published tables were made with the parameters that the code has."""
    text = PAGE.read_text()
    tables = text[text.index(BEGIN) : text.index(END)]
    heads = (ALARM_HEAD, BOUND_HEAD, CLUMP_HEAD, SIGHT_HEAD, LATE_HEAD, LEAST_HEAD, PACE_ALARM_HEAD, MOMENT_HEAD, PACE_HEAD)

    assert PARAMETERS in tables
    assert all(f"| {' | '.join(head)} |" in tables for head in heads)
