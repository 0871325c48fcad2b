"""The climb with a real Envoy and real services, and no Pulumi."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import httpx
import pytest

from bench.load import Ask, Load
from sluice.core.check import Check, Limit
from sluice.core.clock import ManualClock
from sluice.core.errors import GateFailed, Interrupted, Superseded, Unreachable
from sluice.core.ladder import Cohort, Ladder, Step
from sluice.core.rollout import Pair, Rollout
from sluice.core.split import Route, Share
from sluice.core.version import Version
from sluice.hooks.stop import Stop, WatchedClock
from sluice.systems import splits
from sluice.systems.climb import Climb
from tests.fixtures.front import Front

pytestmark = pytest.mark.embedded
FEW, SLOW = Limit(is_="<=", value=0.05, unit="ratio"), Limit(is_="<=", value=1, unit="s")
LADDER = Ladder(steps=[Step(weight=weight, soak=0.5, samples=20) for weight in (10, 25, 50, 100)], patience=5)


def watches(version: Version) -> list[Check]:
    about = {"of": {"version": version.name}, "minimum": 20}
    errors = Check(name=f"{version.service}: error rate", ask="split.error_rate", limit=FEW, **about)
    return [errors, Check(name=f"{version.service}: p95", ask="split.latency", limit=SLOW, **about)]


def door(service: str, live: str | None, canary: str | None) -> Route:
    return Route(service=service, prefix=f"/{service}/", live=live, canary=canary)


def rollout(front: Front, release: str, routes: list[Route], **more: object) -> Rollout:
    pairs = [Pair(canary=front.versions[r.canary], live=front.versions[r.live] if r.live else None) for r in routes if r.canary]
    checks = [check for pair in pairs for check in watches(pair.canary)]
    given = {"release": release, "ladder": LADDER, "routes": routes, "pairs": pairs, "checks": checks, "poll": 0.1}
    return Rollout.model_validate(given | more)


def climb(front: Front, plan: Rollout) -> list[str]:
    return Climb(plan, splits.open(front.split), WatchedClock(Stop())).run()


def load(front: Front, rate: float = 300) -> Load:
    return Load(front.url, [Ask("GET", "/web/a"), Ask("POST", "/web/b", "{}"), Ask("GET", "/api/c")], rate=rate)


def serving(front: Front, path: str = "/web/", **headers: str) -> set[str | None]:
    return {httpx.get(front.url + path, headers=headers).headers.get("x-version") for _ in range(30)}


def begin(front: Front, **web: str) -> list[Route]:
    """Have web@1 and api@1 live, and web@2 and api@2 beside them; `web` is the environment of web@2."""
    for name in ("web@1", "api@1"):
        front.serve(name)
    live = [door("web", "web@1", None), door("api", "api@1", None)]
    splits.restore(front.descriptor(live), "r1")
    front.serve("web@2", **web)
    front.serve("api@2")
    return [door("web", "web@1", "web@2"), door("api", "api@1", "api@2")]


def test_a_good_version_gets_all_traffic_without_a_failed_request(front: Front) -> None:
    """Under load, two services climb together, and every request is answered by a version."""
    routes = begin(front)
    with load(front) as running:
        lines = climb(front, rollout(front, "r2", routes))

    assert running.tally.failed == 0
    assert [line.split(":")[0] for line in lines] == ["10 %", "25 %", "50 %", "100 %"]
    assert serving(front) == {"web@2"}
    assert serving(front, "/api/") == {"api@2"}


def test_a_bad_version_takes_both_services_back(front: Front) -> None:
    """When one of two services fails, both go back to 0 in one write, and the error says where and why."""
    routes = begin(front, FAIL_RATE="0.3")
    with load(front) as running, pytest.raises(GateFailed, match=r"canary of r2 failed at 10 %: web: error rate \d+\.\d % > 5\.0 %"):
        climb(front, rollout(front, "r2", routes))

    assert running.tally.failed == 0
    assert running.tally.versions["web@2"] < running.tally.versions["web@1"]
    assert serving(front) == {"web@1"}
    assert serving(front, "/api/") == {"api@1"}
    assert splits.open(front.split).get().weight == 0


def test_a_slow_version_is_seen(front: Front) -> None:
    """A version whose p95 is over its limit goes back."""
    routes = begin(front, DELAY="1.5")
    with load(front, rate=200), pytest.raises(GateFailed, match=r"web: p95 \d\.\d+ s > 1\.00 s"):
        climb(front, rollout(front, "r2", routes))

    assert serving(front) == {"web@1"}


def test_nobody_came(front: Front) -> None:
    """Without traffic there is no evidence, and without evidence no pass."""
    routes = begin(front)
    quiet = LADDER.model_copy(update={"patience": 0.5})
    with pytest.raises(GateFailed, match="no proof after 1 s of patience: web: error rate: no data, the new version has answered nothing"):
        climb(front, rollout(front, "r2", routes, ladder=quiet))

    assert splits.open(front.split).get().weight == 0


def test_goes_on_at_its_own_step(front: Front) -> None:
    """A release that already holds 50 % begins there: not lower, and never for another release's weight."""
    routes = begin(front)
    split = splits.open(front.split)
    split.take("r2", routes)
    split.set(50)
    with load(front):
        lines = climb(front, rollout(front, "r2", routes))
        assert [line.split(":")[0] for line in lines] == ["50 %", "100 %"]
        splits.restore(front.descriptor(routes), "r1")
        split.take("other", routes)
        split.set(50)
        lines = climb(front, rollout(front, "r2", routes))

    assert [line.split(":")[0] for line in lines] == ["10 %", "25 %", "50 %", "100 %"]


def test_lines_have_the_machines_time(tmp_path: Path) -> None:
    """A question about logs looks back over a minute, or to the beginning, in the time that lines have, whatever a clock was told."""
    clock = ManualClock()
    plan = Rollout(release="r2", ladder=LADDER, routes=[door("web", "web@1", "web@2")])
    one = Climb(plan, splits.open({"kind": "envoy", "folder": str(tmp_path), "admin": ""}), clock)
    check = Check(name="errors", ask="logs.count", of={"path": "x", "pattern": "y"}, limit=Limit(is_="==", value=0))
    for waited, ago in ((30, 30), (100, 60)):
        clock.wait(waited)
        assert one._timed(check).of["since"] == pytest.approx(time.time() - ago, abs=5)
    assert one._timed(check.model_copy(update={"of": {"since": 1}})).of == {"since": 1}


def test_told_to_stop(front: Front) -> None:
    """A reason to stop takes the traffic back within a second, and is the error."""
    routes = begin(front)
    stop = Stop()
    threading.Timer(1.0, lambda: setattr(stop, "_why", lambda: "the deployer is gone")).start()
    long = Ladder(steps=[Step(weight=10, soak=60), Step(weight=100)])
    with load(front), pytest.raises(GateFailed, match=r"failed at 10 %: the deployer is gone; weight 0, web@1, api@1 serve"):
        Climb(rollout(front, "r2", routes, ladder=long), splits.open(front.split), WatchedClock(stop)).run()

    assert splits.open(front.split).get().weight == 0


def test_told_to_stop_on_the_way_back(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told to stop while the way back is in trouble, a climb still goes back, and names its first reason."""
    routes = begin(front, FAIL_RATE="1")
    split, stop = splits.open(front.split), Stop()
    real = split.set

    def full(weight: int, cohort: Cohort | None = None) -> Share:
        if weight == 0 and not stop.told:
            stop._why = lambda: "told to stop"  # type: ignore[method-assign]
            raise Unreachable("no room")
        return real(weight, cohort)

    monkeypatch.setattr(split, "set", full)
    with load(front), pytest.raises(GateFailed, match=r"failed at 10 %: web: error rate"):
        Climb(rollout(front, "r2", routes), split, WatchedClock(stop)).run()
    assert (stop.told, splits.open(front.split).get().weight) == (True, 0)


def test_a_slow_question_does_not_delay_a_stop(front: Front) -> None:
    """While a check waits for a slow system, a reason to stop is still heard."""
    routes = begin(front)
    stop, asked, release = Stop(), threading.Event(), threading.Event()
    slow = Check(name="slow", ask="http.status", limit=Limit(is_="==", value=200))

    def answer(check: Check) -> object:
        asked.set()
        stop._why = lambda: "the deployer is gone"  # type: ignore[method-assign]
        release.wait(20)
        raise Interrupted("too late")

    plan = rollout(front, "r2", routes, checks=[slow])
    threading.Timer(3.0, release.set).start()
    with load(front), pytest.raises(GateFailed, match="the deployer is gone"):
        Climb(plan, splits.open(front.split), WatchedClock(stop), ask=answer).run()  # type: ignore[arg-type]

    assert asked.is_set()


def test_a_new_owner_takes_over(front: Front) -> None:
    """An older deployer that finds another owner writes nothing more, not even its own abort."""
    routes = begin(front)
    other = splits.open(front.split)

    def steal(check: Check) -> object:
        other.take("r3", routes)
        other.set(25)
        raise RuntimeError("the old one fails now")

    question = Check(name="q", ask="http.status", limit=Limit(is_="==", value=200))
    with load(front), pytest.raises(Superseded, match="another deployment took over the traffic"):
        Climb(rollout(front, "r2", routes, checks=[question]), splits.open(front.split), WatchedClock(Stop()), ask=steal).run()  # type: ignore[arg-type]

    assert other.get().weight == 25


def test_first_deployment_fails_behind_a_closed_door(front: Front) -> None:
    """With nothing live, a bad first version ends with 503 from the door."""
    front.serve("web@1", FAIL_RATE="1")
    routes = [door("web", None, "web@1")]
    first = Ladder(steps=[Step(weight=100, soak=1, samples=20)], patience=5)
    with load(front), pytest.raises(GateFailed, match=r"the door is closed \(503\): nothing has been live yet"):
        climb(front, rollout(front, "r1", routes, ladder=first))

    assert httpx.get(front.url + "/web/").status_code == 503


def test_a_cohort_sees_the_version_before_any_share(front: Front) -> None:
    """Requests with the header reach the new version while everybody else is on the old one."""
    routes = begin(front)
    split = splits.open(front.split)
    split.take("r2", routes)
    assert split.confirm(split.set(0, Cohort(header="x-beta")), 5)
    assert (serving(front), serving(front, **{"x-beta": "1"})) == ({"web@1"}, {"web@2"})
    assert split.confirm(split.set(0, Cohort(cookie="beta", value="yes")), 5)
    assert serving(front, cookie="a=b; beta=yes; c=d") == {"web@2"}
    assert serving(front, cookie="beta=yesno") == {"web@1"}


def test_the_routes_survive_a_restart_of_the_proxy(front: Front) -> None:
    """Envoy killed in the middle of a step comes back with the same weight: the file is the truth."""
    routes = begin(front)
    split = splits.open(front.split)
    split.take("r2", routes)
    split.set(100)
    front.kill("envoy")
    front.start()

    assert serving(front) == {"web@2"}
    assert json.loads((Path(front.split["folder"]) / "rds.json").read_text())["version_info"] == split.get().revision
