"""The geometry of what is drawn."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from sluice.core.report.attempt import Attempt, Look, Ruling, Side
from sluice.core.report.chart import HIGH, POINTS, Chart, charts, grid, thin, top
from sluice.core.report.lines import attempts
from tests.fixtures.journal import NOON, bad, good


def of(events: list[object]) -> Attempt:
    return attempts(events, [])[0]  # type: ignore[arg-type]


def points(chart: Chart, kind: str) -> list[tuple[float, float]]:
    (path,) = [line.path for line in chart.lines if line.kind == kind]
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+),([\d.]+)", path)]


def test_failed():
    """Errors of both sides over time, with the limit, the step, and where traffic went back; a later time is further right."""
    rate, latency, pace, weight = charts(of(bad()), "content")
    assert [one.title for one in (rate, latency, pace, weight)] == [
        "Error rate", "Latency, 95th percentile", "Requests a second", "Share of the traffic",
    ]  # fmt: skip
    (x1, y1), (x2, y2) = points(rate, "canary")
    assert 0 < x1 < x2 < 1000
    assert y2 < y1 < HIGH
    assert rate.limit
    assert rate.limit.text == "limit 5 %"
    # 2 of 13 and a limit of 5 %, below a round top.
    scale = 0.2
    assert (y2, rate.limit.at) == (pytest.approx(HIGH - 2 / 13 / scale * HIGH, abs=0.1), pytest.approx(HIGH - 0.05 / scale * HIGH, abs=0.1))
    assert rate.hits[1].text == "13:00:11  canary 15.4 % (2 of 13)  live 0.926 % (1 of 108)"
    assert [band.text for band in rate.bands] == ["10 %"]
    assert rate.ends
    assert rate.ends.text == "back at 13:00:11"
    assert (latency.limit, latency.note) == (None, "")
    assert pace.hits[0].text.endswith("canary 12 (12 requests)  live 110 (110 requests)")
    assert points(weight, "weight")[-1] == (1000.0, HIGH)


def test_steps():
    """Each step has its band, as long as it had its weight."""
    rate = charts(of(good()), "content")[0]
    assert [band.text for band in rate.bands] == ["10 %", "100 %"]
    assert sum(band.width for band in rate.bands) == pytest.approx(1000)


def test_nothing_was_seen():
    """A service that did not climb, and one that nobody asked, has no charts; where only live was asked, its line is alone."""
    assert charts(of(bad()), "other") == []
    none, some = (Side(side=side, service="s", version=f"s@{side}", requests=count) for side, count in (("canary", 0), ("live", 9)))
    attempt = of(bad()).model_copy(update={"looks": [Look(at=NOON, weight=10, seconds=1, sides=[none])], "aborted": None})
    assert charts(attempt, "s") == []
    rate = charts(attempt.model_copy(update={"looks": [Look(at=NOON, weight=10, seconds=1, sides=[none, some])]}), "s")[0]
    assert [line.kind for line in rate.lines] == ["live"]
    assert rate.hits[0].text == "12:00:00  canary - (0 of 0)  live 0 % (0 of 9)"


def test_a_limit_far_above():
    """A limit that would press everything flat is told beside the title, and not drawn."""
    attempt = of(bad())
    ruling = Ruling(check="content: p95", outcome="passed", ask="split.latency", limit=5.0, version="content@1.2.0-bb22")
    tables = [table.model_copy(update={"verdicts": [ruling]}) for table in attempt.tables]
    latency = charts(attempt.model_copy(update={"tables": tables}), "content")[1]
    assert (latency.limit, latency.note) == (None, "limit 5 s")
    assert [mark.text for mark in latency.down] == ["0 ms", "20 ms", "40 ms"]


@pytest.mark.parametrize("count", [0, 1, POINTS, POINTS + 1, 10 * POINTS + 3])
def test_thin(count: int):
    """However many looks there are, few are drawn, and they add up to all of them; of latencies the worst stays."""
    looks = [
        Look(
            at=NOON + timedelta(seconds=at),
            weight=10,
            seconds=1,
            sides=[Side(side="canary", service="s", version="v", requests=2, errors=1, p95=at)],
        )
        for at in range(count)
    ]
    drawn = thin(looks)
    assert len(drawn) <= POINTS
    sides = [side for look in drawn for side in look.sides]
    assert (sum(side.requests for side in sides), sum(side.errors for side in sides)) == (2 * count, count)
    assert sum(look.seconds for look in drawn) == count
    assert max([side.p95 or 0 for side in sides], default=0) == max(0, count - 1)


@pytest.mark.parametrize("most", [0.0004, 0.0096, 0.01, 0.12, 0.9999, 1, 7.3, 99, 12345])
def test_top(most: float):
    """The top of a scale is above every value, and not far above."""
    assert most < top([most, 0], 1e-6) < most * 2.2
    assert top([], 0.01) == 0.015
    assert grid(0.2) == [0, 0.1, 0.2]
