"""A mark before a real Envoy and real services: what it counts, and that it moves nothing."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.load import Ask, Load
from sluice.core.clock import SystemClock
from sluice.core.errors import GateFailed
from sluice.core.split import Route
from sluice.hooks.mark import MarkProvider
from sluice.systems import splits
from tests.fixtures.front import Front
from tests.fixtures.web import Answer, Web

LIVE = Route(service="web", prefix="/", live="web@1")
BACK = "r1 stays live"


def check(name: str, value: float, unit: str, **more: Any) -> dict[str, Any]:
    ask = {"error rate": "split.error_rate", "p95": "split.latency"}[name]
    limit = {"is": "<=", "value": value, "unit": unit}
    return {"name": name, "ask": ask, "of": {"version": "web@1"}, "limit": limit, "minimum": 20, "severity": "P1"} | more


RATES = [check("error rate", 0.01, "ratio", action="investigate"), check("p95", 1.0, "s")]


class Mark:
    """The marks of version 1, which has all the traffic."""

    def __init__(self, front: Front, **environment: str) -> None:
        version = front.serve("web@1", **environment)
        self.front = front
        self.split = front.descriptor([LIVE])
        splits.restore(self.split, "r1")
        self.props: dict[str, Any] = {
            "release": "r1",
            "settled": True,
            "passed": {"5m": "2025-11-27T12:06:00Z"},
            "due": ["30m", "1h"],
            "versions": [version.model_copy(update={"log": str(front.folder / "web@1.log")}).wire()],
            "checks": RATES,
            "split": self.split,
            "window": 1.5,
            "patience": 2.0,
            "back": BACK,
        }

    def run(self, **more: Any) -> dict[str, Any]:
        outs = MarkProvider().update("r1", {}, self.props | more).outs
        assert outs is not None
        return outs

    def fail(self, **more: Any) -> str:
        before = splits.open(self.split).get()
        with pytest.raises(GateFailed) as caught:
            self.run(**more)
        assert splits.open(self.split).get() == before, "a mark moves no traffic"
        return str(caught.value)

    def load(self) -> Load:
        return Load(self.front.url, [Ask("GET", "/")], rate=60)


@pytest.fixture
def fault(front: Front) -> Path:
    """A file whose existence makes the version fail."""
    return front.folder / "fault"


def changes(**more: Any) -> bool | None:
    given = {"release": "r1", "settled": True, "due": [], "passed": {}} | more
    return MarkProvider().diff("r1", {"release": "r1", "passed": {}}, given).changes


def test_nothing_due():
    """Without a due mark a settled release shows no change, whatever else is different; a due one, and a new release, are changes."""
    assert changes(notify=[{"kind": "slack", "url": "env:HOOK"}]) is False
    assert changes(due=["30m"]) is True
    assert changes(settled=False) is True


def test_cut_short():
    """What another release has passed does not stay after an update that wrote down the new one, and was ended before its marks."""
    passed = {"30m": "2025-11-27T12:31:00Z"}
    given = {"release": "r2", "settled": True, "due": [], "passed": {}}
    assert MarkProvider().diff("r1", {"release": "r1", "passed": passed}, given).changes is True
    assert MarkProvider().diff("r1", {"release": "r1", "passed": passed}, {**given, "passed": passed}).changes is False
    assert (MarkProvider().update("r1", {}, given).outs or {})["passed"] == {}


def test_a_new_release():
    """A new release begins with no mark passed, and nobody is asked."""
    outs = MarkProvider().update("r1", {}, {"release": "r2", "settled": False, "passed": {}, "due": []}).outs
    assert outs == {"release": "r2", "passed": {}, "verdicts": []}


def test_passed(front: Front):
    """A good version under load passes all marks that are due, at the time at which it did; earlier ones keep theirs."""
    mark = Mark(front)
    with mark.load():
        outs = mark.run()
    passed = outs["passed"]
    assert list(passed) == ["5m", "30m", "1h"]
    assert (passed["5m"], passed["30m"]) == ("2025-11-27T12:06:00Z", passed["1h"])
    assert datetime.now(UTC) - datetime.fromisoformat(passed["1h"]) < timedelta(seconds=10)
    rate, p95 = outs["verdicts"]
    assert rate.startswith("error rate 0.0 % <= 1.0 % (0 of ")
    assert p95.startswith("p95 0.")


def test_failed(front: Front, fault: Path, web: Web, monkeypatch: pytest.MonkeyPatch):
    """A version that fails requests fails its marks in one line, as soon as the window is over, and people are told."""
    monkeypatch.setenv("HOOK", web.tell("/hook", Answer(200)))
    mark = Mark(front, FAIL_FILE=str(fault))
    fault.touch()
    begun = time.monotonic()
    with mark.load():
        # How many answers the proxy has timed by then differs: only what it counts at once is asked.
        said = mark.fail(
            checks=RATES[:1], patience=60.0, contacts=[{"name": "Ada"}], moment="mark", notify=[{"kind": "discord", "url": "env:HOOK"}]
        )
    assert time.monotonic() - begun < 20
    assert said.startswith("mark of r1 at 30m, 1h: error rate 100.0 % > 1.0 % (")
    assert said.endswith("[P1: investigate]; 1 of 1 check failed after 0 s; r1 stays live; next: Ada"), said
    told = json.loads(web.asked[0].body)
    assert told["content"] == f"GateFailed: {said.removesuffix('; next: Ada')}"
    assert {"name": "moment", "value": "mark", "inline": True} in told["embeds"][0]["fields"]


def test_what_was_before(front: Front, fault: Path):
    """What went wrong before the look, errors and slow answers, is told, and not held against a version that is well now."""
    mark = Mark(front, FAIL_FILE=str(fault))
    fault.touch()
    with ThreadPoolExecutor(31) as pool:
        list(pool.map(lambda seconds: httpx.get(f"{front.url}/?seconds={seconds}", timeout=30), [2] * 30 + [3]))
    fault.unlink()
    with mark.load():
        rate, p95 = mark.run()["verdicts"]
    assert rate.startswith("error rate 0.0 % <= 1.0 % (0 of ")
    assert " now, 31 of " in rate
    # A quarter of all took two seconds; what is asked now may wait for a busy machine, and not that long.
    assert float(p95.split()[1]) < 1, p95


def test_silence(front: Front):
    """Without traffic a mark waits as long as it was told, and then fails: no data is no pass."""
    said = Mark(front).fail(patience=1.0)
    assert said.startswith("mark of r1 at 30m, 1h: error rate: no data, ")
    assert "2 of 2 checks inconclusive within 1 s; r1 stays live" in said


def test_proxy_down(front: Front):
    """When the splitter cannot be asked, the mark fails, and says so."""
    mark = Mark(front)
    front.kill("envoy")
    said = mark.fail()
    assert said.startswith("mark of r1 at 30m, 1h: envoy's admin socket ")
    assert said.endswith("is the proxy up?; r1 stays live")


def test_logs(front: Front):
    """Logs are read from the beginning of the look, unless a check says since when."""
    mark = Mark(front)
    httpx.get(front.url + "/old")
    time.sleep(0.1)
    of = {"path": mark.props["versions"][0]["log"], "pattern": "/old"}
    old = {"name": "old lines", "ask": "logs.count", "of": of, "limit": {"is": "==", "value": 0}}
    with mark.load():
        assert mark.run(checks=[old])["verdicts"][0].startswith("old lines: 0 (of ")
        longer = {**old, "of": {**of, "since": SystemClock().now() - 60}}
        assert "old lines 1 != 0 (of " in mark.fail(checks=[longer])


def test_smoke(front: Front):
    """Smoke tests that fail fail the mark; when they pass, the checks decide."""
    mark = Mark(front)
    journey = {"name": "home", "target": "web", "steps": [{"name": "open", "path": "/"}]}
    smoke = {"journeys": [journey], "targets": {"web": front.url}, "deadline": 10.0}
    lines = {"name": "lines", "ask": "logs.count", "of": {"path": mark.props["versions"][0]["log"]}, "limit": {"is": ">=", "value": 1}}
    assert mark.run(checks=[lines], smoke=smoke)["verdicts"] == ["lines 1 >= 1 (of 1 lines)"]
    front.kill("web@1")
    assert mark.fail(checks=[lines], smoke=smoke).startswith("mark of r1 at 30m, 1h: ")
