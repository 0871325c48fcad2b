"""The rollout machine, the very one that the Canary drives."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.core.ladder import (
    RETREATING,
    Abort,
    Cohort,
    Confirmed,
    Event,
    Handed,
    Judged,
    Ladder,
    Phase,
    Shifted,
    State,
    Step,
    advance,
    begin,
    keep,
    unfit,
)
from sluice.core.ladder import weights as possible_weights
from sluice.core.verdict import Outcome

LADDER = Ladder(steps=[Step(weight=10, soak=30, samples=100), Step(weight=50, soak=30), Step(weight=100, soak=60)], patience=60)


def drive(state: State, *events: Event) -> State:
    for event in events:
        state = advance(state, event)
    return state


def good(at: float, samples: int = 1000) -> Judged:
    return Judged(at, Outcome.PASSED, samples)


def test_climbs_to_the_top() -> None:
    """A version that is good at every step ends with all the traffic."""
    state, at = begin(LADDER), 0.0
    weights = []
    while not state.done:
        state = drive(state, Shifted(), Confirmed(at))
        weights.append(state.weight)
        at += state.rung.soak
        state = advance(state, good(at))

    assert (weights, state.phase) == ([10, 50, 100], Phase.PASSED)


def test_soak_is_waited_out() -> None:
    """A good verdict before the soak is over climbs nothing."""
    state = drive(begin(LADDER), Shifted(), Confirmed(0), good(29.9))

    assert (state.phase, state.step) == (Phase.SOAK, 0)


def test_failure_goes_back_at_once() -> None:
    """A failed verdict in the first second ends the rollout."""
    state = drive(begin(LADDER), Shifted(), Confirmed(0), Judged(1, Outcome.FAILED, 5, "errors"))

    assert (state.phase, state.target, state.why) == (Phase.RETREAT, 0, "errors")
    assert drive(state, Shifted(), Confirmed(2)).phase is Phase.ABORTED


@pytest.mark.parametrize("outcome", [Outcome.INCONCLUSIVE, Outcome.ERRORED])
def test_missing_evidence_waits_then_fails(outcome: Outcome) -> None:
    """No data holds a step for its patience, and then ends it; it never passes."""
    state = drive(begin(LADDER), Shifted(), Confirmed(0), Judged(89, outcome, 0, "nobody came"))
    assert state.phase is Phase.SOAK

    state = advance(state, Judged(90, outcome, 0, "nobody came"))
    assert (state.phase, state.why) == (Phase.RETREAT, "no proof after 60 s of patience: nobody came")


def test_of_first_versions_no_samples_are_needed() -> None:
    """Where only services come that nobody could have asked, the soak and the checks alone lead up."""
    state = drive(begin(LADDER), Shifted(), Confirmed(0), Judged(31, Outcome.PASSED, None))
    assert (state.phase, state.rung.weight) == (Phase.SHIFT, 50)


def test_too_few_samples_say_how_many() -> None:
    """A step that passes its checks with too few requests names the number it waited for."""
    state = drive(begin(LADDER), Shifted(), Confirmed(0), good(90, samples=99))

    assert state.why == "no proof after 60 s of patience: 99 of at least 100 samples"


def test_not_before_is_waited_for_and_judged_meanwhile() -> None:
    """A step with a calendar date begins on it; until then the step before goes on being judged, with its full patience."""
    day = datetime(2026, 1, 3, tzinfo=UTC)
    ladder = Ladder(steps=[Step(weight=10), Step(weight=100, not_before=day)], patience=60)
    opens = day.timestamp()
    waiting = drive(begin(ladder), Shifted(), Confirmed(opens - 1000), good(opens - 1))
    assert (waiting.phase, waiting.step) == (Phase.SOAK, 0)

    lapse = advance(waiting, Judged(opens + 30, Outcome.INCONCLUSIVE, 0, "quiet night"))
    assert lapse.phase is Phase.SOAK
    assert advance(lapse, good(opens + 31)).step == 1
    assert advance(waiting, Judged(opens, Outcome.FAILED, 9, "errors")).phase is Phase.RETREAT


def test_begins_where_its_own_weight_is() -> None:
    """A release that already has a step's weight goes on at that step; any other weight begins at the first."""
    assert [begin(LADDER, weight=weight).step for weight in (0, 10, 50, 100, 33)] == [0, 0, 1, 2, 0]


def test_first_reason_is_kept() -> None:
    """What goes wrong on the way back does not hide why it went back."""
    state = drive(begin(LADDER), Abort("errors"), Abort("told to stop"))

    assert state.why == "errors"


def test_passed_is_final() -> None:
    """A rollout that has passed is not undone by a late signal."""
    ladder = Ladder(steps=[Step(weight=100)])
    state = drive(begin(ladder), Shifted(), Confirmed(0), good(1), Abort("late"))

    assert state.phase is Phase.PASSED


def held(outcome: Outcome = Outcome.PASSED, at: float = 60) -> State:
    """Return a rollout that has ended at 10 %, after one more look."""
    return drive(begin(LADDER, until=10), Shifted(), Confirmed(0), good(30), Judged(at, outcome, 0, "why"))


def test_ends_on_the_way() -> None:
    """A rollout that goes to 10 % proves that step as any other, is held there, and is left to the keeper once that has it."""
    soaking = drive(begin(LADDER, until=10), Shifted(), Confirmed(0), good(29))
    assert soaking.phase is Phase.SOAK
    state = advance(soaking, good(30))
    assert (state.phase, state.weight, state.done) == (Phase.HELD, 10, False)
    assert advance(state, good(1000)).phase is Phase.HELD
    left = advance(state, Handed())
    assert (left.phase, left.weight, left.done) == (Phase.LEFT, 10, True)


def test_a_later_step_opens_no_more() -> None:
    """An update that ends at a step does not wait for the day of the next one."""
    ladder = Ladder(steps=[Step(weight=10), Step(weight=100, not_before=datetime(2030, 1, 1, tzinfo=UTC))])
    assert drive(begin(ladder, until=10), Shifted(), Confirmed(0), good(1)).phase is Phase.HELD


def test_begins_no_higher_than_it_goes() -> None:
    """A release that already has more than it shall have goes down to that step."""
    state = begin(LADDER, weight=50, until=10)
    assert (state.step, state.target) == (0, 10)


def test_a_failure_while_held() -> None:
    """A failed verdict takes a held step back at once."""
    state = held(Outcome.FAILED)
    assert (state.phase, state.target, state.why) == (Phase.RETREAT, 0, "why")


def test_a_quiet_night_while_held() -> None:
    """Nothing climbs at a held step, so hours without data end nothing."""
    assert held(Outcome.INCONCLUSIVE, at=36_000).phase is Phase.HELD


def test_nobody_can_ask_while_held() -> None:
    """Systems that cannot be asked end a hold after its patience, counted from the last answer."""
    assert held(Outcome.ERRORED, at=89).phase is Phase.HELD
    state = held(Outcome.ERRORED, at=90)
    assert (state.phase, state.why) == (Phase.RETREAT, "nobody could ask for 60 s: why")
    again = drive(held(Outcome.ERRORED, at=80), Judged(85, Outcome.INCONCLUSIVE, 0), Judged(144, Outcome.ERRORED, 0, "why"))
    assert again.phase is Phase.HELD


def test_the_keeper_begins_where_the_deployer_ended() -> None:
    """A kept step has its weight from the start, and the first thing that is done is to judge it."""
    state = keep(LADDER, weight=50, at=7)
    assert (state.phase, state.step, state.weight, state.target, state.proven) == (Phase.HELD, 1, 50, 50, 7)


weights = st.lists(st.integers(1, 99), max_size=5, unique=True).map(lambda some: [*sorted(some), 100])
steps = st.builds(Step, weight=st.just(0), soak=st.floats(0, 100), samples=st.integers(0, 200))


@st.composite
def ladders(draw: st.DrawFn) -> Ladder:
    rungs = [draw(steps).model_copy(update={"weight": weight}) for weight in draw(weights)]
    return Ladder(steps=rungs, patience=draw(st.floats(0, 100)))


events = st.one_of(
    st.just(Shifted()),
    st.builds(Confirmed, at=st.floats(0, 1000)),
    st.builds(Judged, at=st.floats(0, 1000), outcome=st.sampled_from(Outcome), samples=st.none() | st.integers(0, 300), why=st.just("x")),
    st.just(Handed()),
    st.builds(Abort, why=st.just("stop")),
)
ends = st.integers(1, 100)


@given(ladders(), st.lists(events, max_size=60), ends)
@settings(max_examples=400, deadline=None)
def test_from_every_state_an_abort_ends_at_zero(ladder: Ladder, story: list[Event], until: int) -> None:
    """Whatever happened before, an abort followed by what a splitter does ends at weight 0, in two moves."""
    state = drive(begin(ladder, until=until), *story)
    if state.phase is Phase.PASSED:
        return
    state = advance(state, Abort("stop"))
    assert state.target == 0

    state = drive(state, Shifted(), Confirmed(2000))
    assert (state.phase, state.weight) == (Phase.ABORTED, 0)


@given(ladders(), st.lists(events, max_size=60))
@settings(max_examples=400, deadline=None)
def test_weights_stay_in_range_and_follow_the_ladder(ladder: Ladder, story: list[Event]) -> None:
    """A weight is 0 or a step's own, and climbs one step at a time."""
    state, allowed = begin(ladder), {0, *(step.weight for step in ladder.steps)}
    for event in story:
        after = advance(state, event)
        assert {after.weight, after.target} <= allowed
        assert after.step - state.step in (0, 1)
        assert not (state.phase in RETREATING and after.phase not in RETREATING)
        state = after


@given(ladders(), st.lists(events, max_size=60), ends)
@settings(max_examples=400, deadline=None)
def test_a_keeper_raises_nothing(ladder: Ladder, story: list[Event], step: int) -> None:
    """Whatever a keeper sees, a held step keeps its weight or loses all of it, and climbs no step."""
    weight = ladder.steps[step % len(ladder.steps)].weight
    state = keep(ladder, weight=weight, at=0)
    for event in story:
        after = advance(state, event)
        assert after.step == state.step
        assert after.weight in (state.weight, 0)
        assert after.target in (weight, 0)
        assert after.phase in (Phase.HELD, Phase.LEFT, *RETREATING)
        state = after


@given(ladders(), st.lists(events, max_size=60), ends)
@settings(max_examples=400, deadline=None)
def test_no_step_is_climbed_without_evidence(ladder: Ladder, story: list[Event], until: int) -> None:
    """Only a passed verdict with enough samples after the whole soak leads up, to the end, or to where a rollout is held."""
    state = begin(ladder, until=until)
    for event in story:
        after = advance(state, event)
        if after.step > state.step or (after.phase in (Phase.PASSED, Phase.HELD) and state.phase is not after.phase):
            assert isinstance(event, Judged)
            assert event.outcome is Outcome.PASSED
            assert event.samples is None or event.samples >= state.rung.samples
            assert event.at - state.since >= state.rung.soak
        state = after


@pytest.mark.parametrize(
    ("replicas", "possible"),
    [(1, [100]), (2, [50, 100]), (3, [33, 67, 100]), (4, [25, 50, 75, 100]), (6, [17, 33, 50, 67, 83, 100]), (100, [*range(1, 101)])],
)
def test_weights_that_replicas_can_express(replicas: int, possible: list[int]) -> None:
    """Where replicas divide the traffic a version has as many hundredths as it has replicas, in whole per cents."""
    assert possible_weights(replicas) == possible


@given(st.integers(1, 100))
def test_weights_of_replicas_climb_to_the_whole(replicas: int) -> None:
    """However many replicas there are, their weights climb, begin above 0, and end at 100."""
    found = possible_weights(replicas)
    assert found == sorted(set(found))
    assert (found[0] > 0, found[-1]) == (True, 100)


def test_unfit_steps() -> None:
    """The steps whose weight cannot be had are found; a cohort's 0 needs no weight."""
    ladder = Ladder(steps=[Step(weight=0, cohort=Cohort(header="x-beta")), Step(weight=10), Step(weight=25), Step(weight=100)])
    assert unfit(ladder, possible_weights(4)) == [10]
    assert unfit(ladder, possible_weights(1)) == [10, 25]
    assert unfit(ladder, possible_weights(100)) == []
