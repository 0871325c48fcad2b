"""Smoke tests as a hook, against the real services of redcube."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN

from sluice.core.errors import ConfigError, GateFailed
from sluice.core.journal import Actor, Happened, Source
from sluice.core.split import Route
from sluice.hooks.smoke import SmokeProvider
from sluice.systems import journal, splits
from sluice.systems.journey import load
from tests.fixtures.front import Front
from tests.fixtures.redcube import ARTIFACT, Redcube
from tests.fixtures.web import Answer, Web

Props = dict[str, Any]


def smoke(journeys: list[Props], **more: Any) -> Props:
    return {"release": "r1", "settled": False, "journeys": journeys, "targets": {}, "databases": {}} | more


def whole(redcube: Redcube, **more: Any) -> Props:
    """Return the example's own journeys, through services on their own addresses."""
    targets = {"content-service": redcube.urls["content"], "user-service": redcube.urls["user"] + "/"}
    journeys = [journey.wire() for journey in load(ARTIFACT.parent / "smoke" / "journeys.yaml")]
    return smoke(journeys, targets=targets, databases=redcube.stores) | more


def refusal(props: Props) -> list[tuple[str, str]]:
    return [(failure.property, failure.reason) for failure in SmokeProvider().check({}, props).failures]


@pytest.mark.embedded
def test_twice(redcube: Redcube):
    """Smoke tests that run twice leave no row of theirs, and each run is another user."""
    redcube.start("content", "user")
    props = whole(redcube)
    created = SmokeProvider().create(props)
    assert (created.id, created.outs) == ("r1", {"release": "r1", "warnings": []})
    assert SmokeProvider().update("r1", created.outs, props).outs == created.outs
    assert redcube.left() == []
    # Identities count what was there: two users, two analyses.
    assert redcube.ask("select last_value from users_id_seq", "redcube_users") == 2
    assert redcube.ask("select last_value from analyses_id_seq") == 2
    traces = {line["trace_id"] for line in redcube.lines("user") if line.get("path") == "/api/auth/register"}
    assert len(traces) == 2


@pytest.mark.embedded
@pytest.mark.parametrize("version", ["1.2.0", "1.5.0", "1.6.0"])
def test_bad(redcube: Redcube, version: str):
    """The example's bad versions pass their smoke tests every time: it takes traffic to see them."""
    redcube.start("content", version=version)
    redcube.start("user")
    for _ in range(5):
        SmokeProvider().create(whole(redcube))


@pytest.mark.embedded
def test_failure(redcube: Redcube, tmp_path: Path):
    """A failure is one line with who is next, and what the journey has made is gone all the same."""
    flags = tmp_path / "flags.json"
    flags.write_text('{"UGC_ANALYSIS": false}')
    redcube.start("content", "user", SLUICE_FLAGS=str(flags))
    with pytest.raises(GateFailed) as caught:
        SmokeProvider().create(whole(redcube, contacts=[{"name": "Ada"}]))
    (trace,) = {line["trace_id"] for line in redcube.lines("content") if line.get("status") == 404}
    assert str(caught.value) == (
        "smoke 'register and analyze' step 5 'analyze a text': expected status 200, got 404; "
        f"POST {redcube.urls['content']}/api/content/analyze-single/text (trace '{trace}'); next: Ada"
    )
    assert redcube.left() == []


@pytest.mark.embedded
def test_fallback(front: Front):
    """Through the front door, traffic goes back before the cleaning up, which the live version then answers."""
    front.serve("web@1")
    front.serve("web@2", FAIL_RATE="1")
    canary = [Route(service="web", prefix="/web/", live="web@1", canary="web@2")]
    split = splits.open(front.split)
    split.confirm(split.take("r2", canary), 5)
    split.confirm(split.set(100), 5)
    answers = [{"path": "$.version", "is": "==", "value": "web@1"}]
    journey = {"name": "j", "target": "web", "steps": [{"name": "a", "path": "/web/a"}]}
    journey["cleanup"] = [{"name": "b", "path": "/web/b", "expect": answers}]
    with pytest.raises(GateFailed) as caught:
        SmokeProvider().create(smoke([journey], targets={"web": front.url}, fallback=front.descriptor(canary)))
    before, _, after = str(caught.value).partition(" (trace ")
    assert before == f"smoke 'j' step 1 'a': expected status 200, got 500; GET {front.url}/web/a"
    assert after.partition("); ")[2] == "traffic is back on the live version"


def test_skipped():
    """Smoke tests that somebody lets a release go without ask nobody, and say by whose leave."""
    props = smoke([], skip="ada")
    assert SmokeProvider().create(props).outs["warnings"] == ["no journey was walked: 'ada' lets r1 go without its smoke tests"]


def test_written_down(web: Web, tmp_path: Path):
    """The journal has each journey that was walked to its end, with its steps, also those before one that fails."""
    source = Source(path=str(tmp_path / "journal.jsonl"), stack="test", run="r", actor=Actor(user="ada", host="vm"))
    target = web.tell("/a", Answer(200)).removesuffix("/a")
    journeys = [{"name": name, "target": "web", "steps": [{"name": "a", "path": "/a"}]} for name in ("first", "second")]
    SmokeProvider().create(smoke(journeys, targets={"web": target}, journal=source.text))
    broken = {"name": "third", "target": "web", "steps": [{"name": "b", "path": "/b"}]}
    with pytest.raises(GateFailed):
        SmokeProvider().create(smoke([journeys[0], broken], targets={"web": target}, journal=source.text))
    seen = [one.figures["verdicts"] for one in journal.read(Path(source.path))[0] if one.event is Happened.JUDGED]
    first, second = ((name, "passed", "1 step in") for name in ("first", "second"))
    assert [[(row["check"], row["outcome"], row["observed"][:9]) for row in rows] for rows in seen] == [[first, second], [first]]


def test_deadline():
    """All journeys of a hook share its deadline."""
    journey = {"name": "j", "target": "web", "steps": [{"name": "a", "path": "/"}]}
    with pytest.raises(GateFailed) as caught:
        SmokeProvider().create(smoke([journey], targets={"web": "http://127.0.0.1:1"}, deadline=1e-9))
    assert str(caught.value) == "smoke 'j' step 1 'a': expected all steps within 1e-09 s, got this far; nothing was asked"


JOURNEY = {
    "name": "j",
    "target": "web",
    "steps": [{"name": "a", "path": "/"}, {"name": "b", "database": "main", "query": "select 1", "rows": 1.0}],
}
MISSING = [("targets", "has no 'web', which a journey asks"), ("databases", "has no 'main', which a journey asks")]


def test_check():
    """Preview refuses journeys that could never be walked."""
    assert refusal(smoke([JOURNEY])) == MISSING
    assert refusal(smoke([JOURNEY], targets={"web": UNKNOWN}, databases={"main": {}})) == []
    loose = {"name": "j", "target": "web", "steps": [{"name": "a", "path": "/${id}"}]}
    assert refusal(smoke([loose])) == [
        ("journeys", "journeys.0.steps.0.path: unknown '${id}', no earlier step saves it: known are run"),
    ]
    assert refusal(smoke([JOURNEY | {"steps": [{"name": "a", "path": "/", "save": {"id": "$.."}}]}], targets={"web": ""})) != []


def test_unknown():
    """What is not known in preview is not refused there, but when it is walked."""
    assert refusal(smoke(UNKNOWN)) == []
    assert refusal(smoke([JOURNEY], targets=UNKNOWN, databases=UNKNOWN)) == []
    with pytest.raises(ConfigError) as caught:
        SmokeProvider().create(smoke([JOURNEY]))
    assert caught.value.problems == [f"{name}: {why}" for name, why in MISSING]


def test_settled():
    """A settled release is not tested again, nor are its journeys looked at."""
    assert refusal(smoke([{"nonsense": 1}], settled=True)) == []
    assert not SmokeProvider().diff("r1", {}, smoke([], settled=True)).changes
    assert SmokeProvider().diff("r1", {}, smoke([])).changes


def test_settled_walks_nothing():
    """Smoke tests that are made anew for a settled release have been passed: nothing is walked."""
    assert SmokeProvider().create({"release": "r1", "settled": True, "journeys": []}).outs["warnings"] == []
