"""The canary as a resource, without the engine."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pulumi.runtime.rpc import UNKNOWN

from sluice.core.check import Check, Limit
from sluice.core.clock import SystemClock
from sluice.core.errors import GateFailed, Superseded
from sluice.core.journal import Actor, Source
from sluice.core.ladder import Cohort, Ladder, Step
from sluice.core.rollout import Pair, Rollout
from sluice.core.split import Route
from sluice.hooks.canary import CanaryProvider
from sluice.systems import deployer, splits
from sluice.systems.keeper.keeper import Keeper
from tests.fixtures.front import Front

BOTH = Route(service="web", prefix="/", live="web@1", canary="web@2")
LIVE = BOTH.model_copy(update={"canary": None})
PROVIDER = CanaryProvider()


def props(split: dict[str, Any], *, settled: bool, **rollout: Any) -> dict[str, Any]:
    there = Rollout(release="r2", ladder=Ladder(steps=[Step(weight=100)], patience=0.5), routes=[BOTH], poll=0.1)
    return {"release": "r2", "settled": settled, "split": split, "rollout": there.model_copy(update=rollout).wire()}


@pytest.fixture
def split(tmp_path: Path) -> dict[str, Any]:
    return {"kind": "envoy", "folder": str(tmp_path), "admin": str(tmp_path / "admin.sock"), "routes": [LIVE.wire()]}


def changes(given: dict[str, Any]) -> bool | None:
    return PROVIDER.diff("r2", given, given).changes


def test_unsettled(split: dict[str, Any]):
    """An unsettled release climbs on the next update, wherever traffic is."""
    splits.open(split).take("r1", [LIVE])
    assert changes(props(split, settled=False)) is True


def test_settled(split: dict[str, Any]):
    """A settled one does nothing while traffic is where it belongs, and something as soon as it is not."""
    there = splits.open(split)
    there.take("r2", [BOTH])
    assert changes(props(split, settled=True)) is False
    for weight, cohort in ((1, None), (0, Cohort(header="x-beta"))):
        there.set(weight, cohort)
        assert changes(props(split, settled=True)) is True


def test_settled_with_a_cohort(split: dict[str, Any]):
    """After a ladder whose steps had a cohort the next update finds nothing to do."""
    there = splits.open(split)
    there.take("r2", [BOTH])
    there.set(100, Cohort(header="x-beta"))
    assert changes(props({**split, "routes": [Route(service="web", prefix="/", live="web@2").wire()]}, settled=True)) is False


def test_a_splitter_that_is_not_known_yet(split: dict[str, Any]):
    """In preview the splitter may be about to change: that is shown as a change, and nothing is looked at."""
    assert changes({**props(split, settled=True), "split": UNKNOWN}) is True
    assert changes({**props(split, settled=True), "split": {**split, "folder": UNKNOWN}}) is True


@pytest.mark.embedded
def test_settled_puts_traffic_back(front: Front):
    """An update of a settled release puts traffic where it belongs, and proves nothing."""
    front.divide("r3", BOTH, 50)
    given = props(front.descriptor([LIVE]), settled=True)
    assert PROVIDER.update("r2", given, given).outs == {"release": "r2", "split": given["split"], "steps": [], "held": {}}
    assert {httpx.get(front.url).headers["x-version"] for _ in range(20)} == {"web@1"}


@pytest.mark.embedded
def test_nothing_is_new(front: Front):
    """A release without a new version, of flags or with a service less, waits for no evidence: there is nothing to prove."""
    front.serve("web@1")
    given = props(front.descriptor([LIVE]), settled=False, routes=[LIVE])
    assert PROVIDER.create(given).outs["steps"] == []
    assert httpx.get(front.url).headers["x-version"] == "web@1"


@pytest.mark.embedded
@pytest.mark.parametrize("still", [False, True])
def test_aborted_on_its_way(front: Front, monkeypatch: pytest.MonkeyPatch, still: bool):
    """Aborted before it has its lease, an update gets no traffic, also one that moves none; the abort of an earlier one is no bar."""
    front.serve("web@1")
    front.serve("web@2")
    split = front.descriptor([LIVE])
    pair = Pair(canary=front.versions["web@2"], live=front.versions["web@1"])
    given = props(split, settled=False, **({"routes": [LIVE]} if still else {"pairs": [pair]}))
    begun = time.time()
    monkeypatch.setattr(deployer, "began", lambda: begun)
    splits.bar(split)
    with pytest.raises(Superseded, match=r"^the traffic was taken back while this update was on its way"):
        PROVIDER.create(given)
    assert (splits.aborted(split), splits.open(split).seen().lease) == ("aborted by sluice abort", None)
    begun = time.time() + 1
    if still:
        assert PROVIDER.create(given).outs["steps"] == []
    else:
        with pytest.raises(GateFailed, match="no proof after"):
            PROVIDER.create(given)
    assert splits.aborted(split) == ""


@pytest.mark.embedded
def test_a_new_worker_is_not_waved_through(front: Front):
    """A new version without a door has no traffic to prove it: that is no pass."""
    front.serve("web@1")
    worker = front.serve("worker@2")
    given = props(front.descriptor([LIVE]), settled=False, routes=[LIVE], pairs=[Pair(canary=worker)])
    with pytest.raises(GateFailed, match="no proof after"):
        PROVIDER.create(given)


@pytest.mark.embedded
def test_a_climb_that_fails_is_one_line(front: Front):
    """Without evidence the call ends with weight 0 and one line that says where and why."""
    front.serve("web@1")
    front.serve("web@2")
    pair = Pair(canary=front.versions["web@2"], live=front.versions["web@1"])
    with pytest.raises(GateFailed) as caught:
        PROVIDER.create(props(front.descriptor([LIVE]), settled=False, pairs=[pair]))
    assert str(caught.value).startswith("canary of r2 failed at 100 %: no proof after")
    assert str(caught.value).endswith("; weight 0, web@1 serves")
    assert splits.open(front.split).get().weight == 0


@pytest.mark.embedded
def test_held(front: Front):
    """A climb that ends on the way says where the keeper holds the release, for how long, and whose it is; webhooks and journal go
    with it."""
    for version in ("web@1", "web@2"):
        front.serve(version)
    pair = Pair(canary=front.versions["web@2"], live=front.versions["web@1"])
    ladder = Ladder(steps=[Step(weight=10, soak=0.3), Step(weight=100)], patience=5)
    well = Check(name="well", ask="http.status", of={"url": f"{pair.canary.url}/health"}, limit=Limit(is_="==", value=200))
    given = props(front.descriptor([LIVE]), settled=False, pairs=[pair], checks=[well], ladder=ladder, until=10, hold=60)
    keeper = Keeper(front.split, SystemClock())
    thread = threading.Thread(target=keeper.run)
    thread.start()
    try:
        source = Source(path=str(front.folder / "j.jsonl"), stack="s", run="r", actor=Actor(user="ada", host="vm")).text
        outs = PROVIDER.create(given | {"notify": [{"kind": "slack", "url": "env:NOWHERE"}], "journal": source}).outs
        assert outs
        since, until = (datetime.fromisoformat(outs["held"][name]) for name in ("since", "until"))
        assert (outs["held"]["release"], outs["held"]["weight"], until - since) == ("r2", 10, timedelta(seconds=60))
        assert [line.split(":")[0] for line in outs["steps"]] == ["10 %"]
        seen = splits.open(front.split).seen()
        assert seen.lease
        assert (seen.share.weight, seen.lease.notify) == (10, [{"kind": "slack", "url": "env:NOWHERE"}])
        assert seen.lease.journal == source
    finally:
        keeper.stop("the test is over")
        thread.join(20)


@pytest.mark.embedded
def test_signs(front: Front):
    """While it climbs a canary gives signs of life to its lease; at the top the lease is gone."""
    for version in ("web@1", "web@2"):
        front.serve(version)
    pair = Pair(canary=front.versions["web@2"], live=front.versions["web@1"])
    well = Check(name="well", ask="http.status", of={"url": f"{pair.canary.url}/health"}, limit=Limit(is_="==", value=200))
    given = props(front.descriptor([LIVE]), settled=False, pairs=[pair], checks=[well], ladder=Ladder(steps=[Step(weight=100, soak=1)]))
    beats: set[float] = set()
    thread = threading.Thread(target=PROVIDER.create, args=[given])
    thread.start()
    while thread.is_alive():
        beats.add(splits.open(front.split).seen().beat)
        time.sleep(0.02)
    assert len(beats) > 5
    assert splits.open(front.split).seen().lease is None


@pytest.mark.embedded
def test_delete_closes_the_doors(front: Front):
    """A canary that is taken away closes the doors first: what is stopped after it drops no request."""
    front.serve("web@1")
    splits.restore(front.descriptor([LIVE]), "r1")
    PROVIDER.delete("r2", props(front.descriptor([LIVE]), settled=True))
    assert httpx.get(front.url).status_code == 503
