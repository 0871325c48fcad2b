"""What an update is going to do, and the words in which preview says it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.core.ladder import Cohort, Ladder, Step, weights
from sluice.core.plan import Plan, names, plan, problems, text
from sluice.core.record import Record, prove
from sluice.core.spec import Spec
from sluice.core.split import Route

NOON = datetime(2025, 11, 27, 12, tzinfo=UTC)
DAY = timedelta(hours=24)
LADDER = Ladder(steps=[Step(weight=weight, soak=300, samples=100) for weight in (10, 25, 50, 100)])


def spec(service: str, version: str, **more: object) -> Spec:
    given = {"service": service, "version": version, "argv": ["run"], "artifact": "/app", "prefix": f"/{service}/"}
    return Spec.model_validate(given | more)


def record(name: str, *specs: Spec, at: datetime = NOON) -> Record:
    services = {one.service: {"name": one.name, "version": one.version, "spec": one.text} for one in specs}
    return Record.model_validate({"id": name, "version": name, "kind": "minor", "services": services, "at": at})


def planned(
    release: str, target: list[Spec], proven: list[Record], *, now: datetime = NOON, ladder: Ladder = LADDER, until: int = 100, **more: Any
) -> Plan:
    specs = {one.service: one for one in target}
    return plan(release=release, target=specs, ladder=ladder, proven=proven, window=DAY, now=now, until=until, hold=86400, **more)


WEB1, WEB2, API1, API2 = spec("web", "1.0"), spec("web", "1.1"), spec("api", "1.0"), spec("api", "1.1")
R1, R2 = record("r1", WEB1, API1), record("r2", WEB2, API2)


def test_preview_of_a_first_deployment():
    """Without anything live, preview says that there is no baseline, and that a failure leaves the doors closed."""
    assert text(planned("r1", [WEB1, API1], [])) == (
        "release r1\n"
        "  web: web@1.0-97e4, its first version\n"
        "  api: api@1.0-f626, its first version\n"
        "  traffic: 100 % (300 s); baseline: none, this is the first deployment\n"
        "  on failure: the doors stay closed (503)"
    )


def test_preview_of_a_minor_release():
    """A release of all services says what runs beside what, each step with its proof, the baseline, and who serves after a failure."""
    assert text(planned("r2", [WEB2, API2], [R1])) == (
        "release r2\n"
        "  web: web@1.1-cf9a beside web@1.0-97e4\n"
        "  api: api@1.1-a2cd beside api@1.0-f626\n"
        "  traffic: 10 % (300 s, 100 requests), 25 % (300 s, 100 requests), 50 % (300 s, 100 requests), 100 % (300 s, 100 requests);"
        " baseline: r1\n"
        "  on failure: weight 0 at once, web@1.0-97e4, api@1.0-f626 keep serving"
    )


def test_preview_of_one_of_two_services():
    """A service whose spec is the same stays as it is, and preview says so."""
    assert text(planned("r2", [WEB2, API1], [R1], ladder=Ladder(steps=[Step(weight=100, soak=5)]))) == (
        "release r2\n"
        "  web: web@1.1-cf9a beside web@1.0-97e4\n"
        "  api: stays as it is (api@1.0-f626)\n"
        "  traffic: 100 % (5 s); baseline: r1\n"
        "  on failure: weight 0 at once, web@1.0-97e4, api@1.0-f626 keep serving"
    )


def test_preview_of_a_configuration():
    """A release of nothing but settings runs the same version under another name, up the whole ladder."""
    green = spec("web", "1.0", env={"COLOUR": "green"})
    assert text(planned("r2", [green], [record("r1", WEB1)], ladder=Ladder(steps=[Step(weight=10, soak=0.5), Step(weight=100)]))) == (
        "release r2\n"
        "  web: web@1.0-3d01 beside web@1.0-97e4\n"
        "  traffic: 10 % (0.5 s), 100 %; baseline: r1\n"
        "  on failure: weight 0 at once, web@1.0-97e4 keeps serving"
    )


def test_preview_of_a_return():
    """The release before, inside the window, comes back without a ladder."""
    back = planned("r1", [WEB1, API1], [R2, R1], now=NOON + DAY)
    assert text(back) == (
        "release r1\n"
        "  web: web@1.0-97e4 beside web@1.1-cf9a\n"
        "  api: api@1.0-f626 beside api@1.1-a2cd\n"
        "  traffic: 100 % (300 s), without a ladder: it is proven and still warm; baseline: r2\n"
        "  on failure: weight 0 at once, web@1.1-cf9a, api@1.1-a2cd keep serving"
    )


def test_preview_of_what_is_left_out():
    """What a release goes without is in its first line; a return has its tests walked whatever was allowed, and what is live needs none."""
    asked = {"backup": "bob", "tests": "ada"}
    both = ", without a backup by leave of 'bob' and without its smoke tests by leave of 'ada'"
    assert text(planned("r2", [WEB2], [R1], skipped=asked)).splitlines()[0] == f"release r2{both}"
    back = planned("r1", [WEB1, API1], [R2, R1], now=NOON + DAY, skipped=asked)
    assert (back.skipped, planned("r1", [WEB1, API1], [R1], skipped=asked).skipped) == ({"backup": "bob"}, {})


def test_after_the_window_a_return_is_a_release():
    """One second after the window nothing is warm, and going back climbs the whole ladder."""
    late = planned("r1", [WEB1, API1], [R2, R1], now=NOON + DAY + timedelta(seconds=1))
    assert (late.returning, late.warm, late.ladder) == (False, {}, LADDER)


def test_a_return_to_other_content_climbs():
    """The warm release's id with another content was never proven: it climbs, and nothing says that it returns."""
    other = planned("r1", [spec("web", "1.0", digest="ee"), API1], [R2, R1])
    assert (other.returning, other.ladder) == (False, LADDER)
    assert "proven and still warm" not in text(other)


def test_preview_of_what_is_live():
    """A settled release is one line."""
    assert text(planned("r1", [WEB1, API1], [R1])) == "r1 is live and proven: nothing to release"


def test_preview_of_marks_that_become_void():
    """A release before the live one has passed its marks says so: they are never asked for again."""
    whole = replace(planned("r2", [WEB2, API2], [R1]), owed=["30m", "1h"])
    assert text(whole).splitlines()[-1] == "  marks: r1 has not passed 30m, 1h; once this release is live nobody asks for them"


def test_preview_of_an_added_service():
    """A service that was not live before has no version beside it."""
    assert text(planned("r2", [WEB1, API1], [record("r1", WEB1)], ladder=Ladder(steps=[Step(weight=50, soak=60), Step(weight=100)]))) == (
        "release r2\n"
        "  web: stays as it is (web@1.0-97e4)\n"
        "  api: api@1.0-f626, its first version\n"
        "  traffic: 50 % (60 s), 100 %; baseline: r1\n"
        "  on failure: weight 0 at once, web@1.0-97e4 keeps serving"
    )


def test_preview_of_a_removed_service():
    """A service that is not released any more goes, and without a new version no traffic moves."""
    assert text(planned("r2", [WEB1], [R1])) == (
        "release r2\n"
        "  web: stays as it is (web@1.0-97e4)\n"
        "  api: goes after this release (api@1.0-f626)\n"
        "  traffic: none moves\n"
        "  on failure: weight 0 at once, web@1.0-97e4, api@1.0-f626 keep serving"
    )


def test_preview_of_a_cohort_and_a_calendar():
    """A step for beta users says who they are; one with a date says when it may begin."""
    steps = [
        Step(weight=0, soak=60, cohort=Cohort(header="x-beta")),
        Step(weight=10, soak=300, samples=20, cohort=Cohort(header="x-beta"), not_before=NOON),
        Step(weight=100),
    ]
    assert text(planned("r2", [WEB2], [record("r1", WEB1)], ladder=Ladder(steps=steps))).splitlines()[2] == (
        "  traffic: cohort (header x-beta: 1, 60 s), 10 % (300 s, 20 requests, not before 2025-11-27T12:00:00+00:00), 100 %; baseline: r1"
    )
    steps[0] = Step(weight=0, cohort=Cohort(cookie="beta", value="yes"))
    assert "traffic: cohort (cookie beta=yes), 10 %" in text(planned("r2", [WEB2], [record("r1", WEB1)], ladder=Ladder(steps=steps)))


def test_a_first_deployment_has_one_step():
    """With nothing to compare with, the first deployment takes the shortest soak of the ladder and no share before the whole."""
    ladder = Ladder(steps=[Step(weight=10, soak=60, samples=100), Step(weight=100, soak=5)], patience=7)
    assert planned("r1", [WEB1], [], ladder=ladder).ladder == Ladder(steps=[Step(weight=100, soak=5)], patience=7)


def test_a_door_that_moves_stays_open():
    """Where a release moves a service's door, requests to the old one are still answered until the release is proven."""
    moved = spec("web", "1.1", prefix="/")
    there = planned("r2", [moved], [record("r1", WEB1)])
    assert there.routes == [Route(service="web", prefix=prefix, live=WEB1.name, canary=moved.name) for prefix in ("/web/", "/")]
    assert there.kept == [Route(service="web", prefix=prefix, live=WEB1.name) for prefix in ("/web/", "/")]
    assert planned("r2", [moved], [record("r2", moved)]).routes == [Route(service="web", prefix="/", live=moved.name)]


def test_a_worker_has_no_door():
    """A service without a prefix is declared and gets no route."""
    worker = spec("worker", "1", prefix="")
    there = planned("r1", [WEB1, worker], [])
    assert [route.service for route in there.routes] == ["web"]
    assert worker.name in there.declared


def wrong(release: str, target: list[Spec], proven: list[Record], *, most: int | None = None, ladder: Ladder = LADDER) -> list[str]:
    return problems(planned(release, target, proven, ladder=ladder), most=most, weights=weights, keeper=True)


def test_the_live_release_with_other_content():
    """A changed program under the id that is live is refused: it would start a version that never gets traffic."""
    assert wrong("r1", [WEB2, API1], [R1]) == [
        "sluice:release.version: 'r1' is live as api@1.0-f626, web@1.0-97e4, and the program now declares api@1.0-f626, web@1.1-cf9a:"
        " give it another version, or take the change back"
    ]
    assert wrong("r1", [WEB1, API1], [R1]) == []


def test_two_services_at_one_door():
    """Two services cannot have the same door: one of them would never be reached."""
    assert wrong("r1", [WEB1, spec("api", "1.0", prefix="/web/")], []) == [
        "door '/web/': is given to 'web' and to 'api': each needs its own"
    ]


def test_more_replicas_than_the_runtime_runs():
    """Replicas that a runtime cannot run are refused with their path."""
    many = spec("web", "1.0", replicas=3)
    assert wrong("r1", [many], [], most=1) == ["sluice:release.services.web.replicas: 3 of one version, this runtime runs at most 1"]
    assert wrong("r1", [many], [], most=3) == wrong("r1", [many], [], most=None) == []


def test_steps_that_the_replicas_cannot_express():
    """Weights that so many replicas cannot have are refused, and the message names the possible ones."""
    few = spec("web", "1.1", replicas=4)
    assert wrong("r2", [few], [R1]) == [
        "sluice:rollout.ladder: 'web' with 4 replicas cannot have 10 % of the traffic: possible are 25, 50, 75, 100"
    ]


def test_steps_that_are_not_walked_are_not_refused():
    """What is live, what returns and what comes first walks no ladder, so that its steps do not matter."""
    few, before = spec("web", "1.1", replicas=4), record("r0", WEB1)
    live = record("r1", few)
    assert wrong("r1", [few], [live]) == wrong("r1", [few], []) == wrong("r1", [few], [before, live]) == []


def test_weights_that_the_traffic_can_express():
    """A runtime whose splitter takes every whole per cent refuses no ladder."""
    few = planned("r2", [spec("web", "1.1", replicas=4)], [R1])
    assert problems(few, most=None, weights=lambda replicas: None, keeper=True) == []


def test_an_update_that_ends_on_the_way():
    """Preview says how far it goes, who watches over it then, for how long, and what goes on."""
    assert text(planned("r2", [WEB2, API1], [R1], until=25)) == (
        "release r2\n"
        "  web: web@1.1-cf9a beside web@1.0-97e4\n"
        "  api: stays as it is (api@1.0-f626)\n"
        "  traffic: 10 % (300 s, 100 requests), 25 % (300 s, 100 requests); baseline: r1\n"
        "  then: held at 25 %, unproven and judged, for at most 1d; `sluice promote` goes on\n"
        "  on failure: weight 0 at once, web@1.0-97e4, api@1.0-f626 keep serving"
    )


def test_nothing_to_hold():
    """A first deployment, a quick return and a release that moves no traffic have no step to end at, and go all the way."""
    proven = prove(R2.model_copy(update={"at": NOON + timedelta(hours=1)}), [R1])
    first, back = planned("r1", [WEB1], [], until=10), planned("r1", [WEB1, API1], proven, now=NOON + timedelta(hours=2), until=10)
    still = planned("r1+", [WEB1, API1], [R1], until=10)
    assert back.returning
    assert [(one.until, one.holds) for one in (first, back, still)] == [(100, False)] * 3
    assert not planned("r1", [WEB1, API1], [R1], until=10).holds, "what is live is not released"


def test_a_release_that_is_held_keeps_the_warm_one():
    """While it is not known whether a release goes through, the one before the live one stays up for a quick return."""
    proven = prove(R2.model_copy(update={"at": NOON + timedelta(hours=1)}), [R1])
    held, whole = (planned("r3", [spec("web", "1.2")], proven, now=NOON + timedelta(hours=2), until=until) for until in (10, 100))
    assert names(held.warm) == names({"web": WEB1, "api": API1})
    assert whole.warm == {}


def test_a_runtime_without_a_keeper():
    """Where no keeper runs, an update that would end on the way is refused, with the command that takes it all the way."""
    needs = "sluice:rollout.until: to hold at 10 % needs a keeper, which this runtime does not have"
    held, whole = (planned("r2", [WEB2], [R1], until=until) for until in (10, 100))
    told = [problems(one, most=None, weights=lambda replicas: None, keeper=False) for one in (held, whole)]
    assert told == [[f"{needs}; run: pulumi config set --path sluice:rollout.until 100"], []]


versions = st.integers(1, 4).map(str)
doors = st.dictionaries(st.sampled_from(["web", "api", "worker"]), versions, min_size=1)
story = st.lists(st.tuples(st.integers(1, 5), doors, st.integers(0, 40)), max_size=8)


def target(declared: dict[str, str]) -> list[Spec]:
    return [spec(service, version, prefix="" if service == "worker" else f"/{service}/") for service, version in declared.items()]


@given(story, st.integers(1, 5), doors, st.integers(0, 40))
@settings(max_examples=300, deadline=None)
def test_for_any_history(past: list[tuple[int, dict[str, str], int]], release: int, declared: dict[str, str], hours: int):
    """After any releases, and for any next one, nothing that is live goes or changes, and the doors are those of the record."""
    proven: list[Record] = []
    now = NOON
    for number, services, later in past:
        now += timedelta(hours=later)
        proven = prove(record(f"r{number}", *target(services), at=now), proven)
    there = planned(f"r{release}", target(declared), proven, now=now + timedelta(hours=hours))

    live = {name: built.name for name, built in proven[0].services.items()} if proven else {}
    assert there.settled == (bool(proven) and proven[0].id == f"r{release}")
    assert names(there.live) == set(live.values()) <= there.declared.keys()
    assert {route.service: route.live for route in there.routes} == {
        service: live.get(service) for service in {**live, **declared} if service != "worker"
    }
    assert all(route.canary in there.new for route in there.routes if route.canary)
    assert all(route.canary is None and route.live == live.get(route.service) for route in there.kept)
    assert set(there.new) == names(there.target) - names(there.live)
    extra = [there.declared[name].service for name in there.declared.keys() - names(there.live) - names(there.target)]
    assert len(extra) == len(set(extra)), "at most one warm version of a service"
    assert (there.ladder == LADDER) != (there.first or there.returning)
    if there.returning:
        assert not there.settled
        assert names(there.target) == {built.name for built in proven[1].services.values()}


@pytest.mark.parametrize("hours", [0, 24, 25])
def test_warm_as_long_as_the_window(hours: int):
    """The release before the live one stays up while the live one is younger than the window."""
    there = planned("r2", [WEB2, API2], [R2, R1], now=NOON + timedelta(hours=hours))
    assert names(there.warm) == (names({"web": WEB1, "api": API1}) if hours <= 24 else set())
    assert there.warm.items() <= {"web": WEB1, "api": API1}.items()


def test_a_release_leaves_one_warm():
    """A release in progress declares what is live beside it, and not what was warm before: at its end one is warm, not two."""
    there = planned("r3", [spec("web", "2.0"), API2], [R2, R1])
    assert (there.warm, set(there.declared)) == ({}, {WEB2.name, API2.name, spec("web", "2.0").name})


def test_a_release_of_the_same_versions_keeps_what_is_warm():
    """A release of another schema or other flags runs what is live: the warm version stays up through it, and after it."""
    there = planned("r3", [WEB2, API2], [R2, R1])
    after = planned("r3", [WEB2, API2], [record("r3", WEB2, API2), R2, R1])
    assert (there.settled, after.settled) == (False, True)
    assert there.warm == after.warm == {"web": WEB1, "api": API1}
    assert set(there.declared) == {WEB1.name, API1.name, WEB2.name, API2.name}


def test_one_version_at_a_time():
    """A service that runs one version at a time takes the place of the one before, and preview says so; a door and replicas are refused."""
    old, new = (spec("letters", version, prefix="", single=True) for version in ("1.0", "1.1"))
    assert f"  letters: {new.name} in the place of {old.name}, which ends before it starts\n" in text(
        planned("r2", [WEB2, new], [record("r1", WEB1, old)])
    )
    free = {"most": None, "weights": lambda replicas: None, "keeper": True}
    assert problems(planned("r2", [new], []), **free) == []
    door = spec("letters", "1.1", single=True)
    assert problems(planned("r2", [door], []), **free) == [
        "service 'letters': runs one version at a time (single), and the traffic of door '/letters/' is divided between two:"
        " take one of them away"
    ]
    many = new.model_copy(update={"replicas": 2})
    assert problems(planned("r2", [many], []), **free) == [
        "service 'letters': runs one version at a time (single), and is to have 2 replicas: take one of them away"
    ]
