"""A splitter's figures, look by look, and what they say about a canary."""

from __future__ import annotations

import pytest

from sluice.core.check import Check, Limit, Unit
from sluice.core.figures import Figures
from sluice.core.judge.histogram import Histogram
from sluice.core.ladder import Ladder, Step
from sluice.core.rollout import Pair, Rollout
from sluice.core.traffic import Traffic
from sluice.core.verdict import Outcome, Verdict
from sluice.core.version import Version

LADDER = Ladder(steps=[Step(weight=100)])
QUESTIONS = ("split.error_rate", "split.latency", "split.error_delta", "split.latency_delta")


def version(name: str) -> Version:
    return Version(service=name.split("@")[0], version="1", name=name, url="http://127.0.0.1:1")


def check(ask: str, limit: float = 0.05, *, of: str = "web@2", minimum: int = 1, **more: object) -> Check:
    unit = Unit.SECONDS if ask == "split.latency" else Unit.RATIO
    return Check(name=ask, ask=ask, of={"version": of, **more}, limit=Limit(is_="<=", value=limit, unit=unit), minimum=minimum)


def traffic(*checks: Check, live: str | None = "web@1") -> Traffic:
    pair = Pair(canary=version("web@2"), live=version(live) if live else None)
    return Traffic(Rollout(release="r2", ladder=LADDER, routes=[], pairs=[pair], checks=list(checks)))


def seen(total: int, errors: int = 0, *, slow: int = 0) -> Figures:
    """Return figures with latencies up to 0.1 s, and `slow` of them up to 10 s."""
    return Figures(total, errors, Histogram(((0.1, total - slow), (10.0, slow))))


def look(there: Traffic, at: float, canary: Figures, live: Figures | None = None) -> None:
    there.see(at, {"web@2": canary, **({"web@1": live} if live else {})})


def only(there: Traffic) -> Verdict:
    (verdict,) = there.verdicts()
    return verdict


@pytest.mark.parametrize("ask", QUESTIONS)
@pytest.mark.parametrize("looks", [0, 1, 2])
def test_without_data_nothing_passes(ask: str, looks: int):
    """No question passes before the new version has answered something, however often it was looked at."""
    there = traffic(check(ask))
    for at in range(looks):
        look(there, at, seen(0), seen(1000))
    assert only(there).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("ask", QUESTIONS)
def test_what_came_before_is_no_data(ask: str):
    """What a version had answered before the rollout looked for the first time does not count."""
    there = traffic(check(ask))
    look(there, 0, seen(1000), seen(1000))
    look(there, 1, seen(1000), seen(1000))
    assert only(there).outcome is Outcome.INCONCLUSIVE
    assert there.samples == 0


@pytest.mark.parametrize("ask", QUESTIONS)
def test_a_version_that_the_splitter_does_not_know(ask: str):
    """A version without figures has no data."""
    there = traffic(check(ask))
    there.see(0, {})
    there.see(1, {})
    assert only(there).outcome is Outcome.INCONCLUSIVE


def test_rate():
    """The error rate is of the requests since the first look, with both numbers as evidence."""
    there = traffic(check("split.error_rate"))
    look(there, 0, seen(50, 50))
    look(there, 1, seen(350, 86))
    assert only(there).text == "split.error_rate 12.0 % > 5.0 % (36 of 300)"
    assert only(there).outcome is Outcome.FAILED
    assert there.samples == 300


def test_too_few():
    """A rate of fewer requests than the check wants says nothing."""
    there = traffic(check("split.error_rate", minimum=20))
    look(there, 0, seen(0))
    look(there, 1, seen(19, 19))
    assert (only(there).outcome, only(there).text) == (Outcome.INCONCLUSIVE, "split.error_rate: 19 of at least 20 samples")


def test_a_rate_looks_back_over_its_window():
    """A version that goes bad late is seen: what was good before the window does not hide it."""
    there = traffic(check("split.error_rate", window=10))
    for at in range(100):
        look(there, at, seen(at * 100))
    look(there, 100, seen(10_000, 100))
    assert only(there).text == "split.error_rate 10.0 % > 5.0 % (100 of 1000)"
    assert there.samples == 10_000


def test_a_window_shorter_than_the_poll():
    """With looks further apart than the window, the newest look counts by itself."""
    there = traffic(check("split.error_rate", window=10))
    for at, total, errors in ((0, 0, 0), (60, 10_000, 0), (120, 10_100, 10)):
        look(there, at, seen(total, errors))
    assert only(there).text == "split.error_rate 10.0 % > 5.0 % (10 of 100)"


def test_each_window_is_its_own():
    """Two questions with different windows see different requests."""
    there = traffic(check("split.error_rate", window=5), check("split.error_rate", window=1000))
    for at in range(100):
        look(there, at, seen(at * 100, min(at * 100, 500)))
    short, long = there.verdicts()
    assert (short.text, long.text) == (
        "split.error_rate 0.0 % <= 5.0 % (0 of 500)",
        "split.error_rate 5.1 % > 5.0 % (500 of 9900)",
    )


def test_old_looks_are_forgotten():
    """Of a day of looks only those of the window are kept, and the first."""
    there = traffic(check("split.error_rate", window=10))
    for at in range(86_400):
        look(there, at, seen(at))
    assert len(there.looks) == 12
    assert there.samples == 86_399


def test_a_step_begins_anew():
    """The proof of a step is its own: the samples and errors of the step before do not count."""
    there = traffic(check("split.error_rate"))
    look(there, 0, seen(0))
    look(there, 1, seen(100, 50))
    there.begin()
    assert there.samples == 0
    look(there, 2, seen(150, 50))
    assert only(there).outcome is Outcome.INCONCLUSIVE
    look(there, 3, seen(250, 50))
    assert (only(there).outcome, there.samples) == (Outcome.PASSED, 100)


def test_a_restarted_splitter_counts_from_zero():
    """Counters that went back were restarted: what they have now has come since, and nothing is negative."""
    there = traffic(check("split.error_rate"))
    look(there, 0, seen(1000, 10))
    look(there, 1, seen(40, 4))
    assert only(there).text == "split.error_rate 10.0 % > 5.0 % (4 of 40)"
    assert there.samples == 40


def test_an_error_seen_before_its_request():
    """A look between the two counters of one failed request makes no rate above the whole."""
    there = traffic(check("split.error_rate"))
    look(there, 0, seen(0))
    look(there, 1, Figures(1, 2))
    assert only(there).text == "split.error_rate 100.0 % > 5.0 % (2 of 1)"


def test_latency():
    """The quantile is the check's own, 95 % when it says nothing."""
    there = traffic(check("split.latency", 5), check("split.latency", 5, quantile=0.5))
    look(there, 0, seen(0))
    look(there, 1, seen(100, slow=10))
    p95, median = there.verdicts()
    assert (p95.outcome, median.outcome) == (Outcome.FAILED, Outcome.PASSED)
    assert p95.text == "split.latency 5.05 s > 5.00 s"


def test_answers_without_latencies():
    """Requests that were counted and not timed are no evidence of speed."""
    there = traffic(check("split.latency", 5))
    look(there, 0, Figures())
    look(there, 1, Figures(10))
    assert (only(there).outcome, only(there).text) == (Outcome.INCONCLUSIVE, "split.latency: no data, no latencies yet")


def test_worse_than_live():
    """Errors that live does not have are seen by the comparison, across steps, below any floor."""
    there = traffic(check("split.error_delta", 0.01, minimum=100))
    for at in range(40):
        if at == 20:
            there.begin()
        look(there, at, seen(at * 50, at * 3), seen(at * 450))
    verdict = only(there)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.text.startswith("split.error_delta: 6.00 % (114 of 1900) against live's 0.00 % (0 of 17100), worse by more than 1 %")


def test_as_good_as_live():
    """A canary that fails as often as live passes the comparison, once there is enough of both."""
    there = traffic(check("split.error_delta", 0.01, minimum=100), check("split.latency_delta", 0.6, minimum=100))
    for at in range(40):
        look(there, at, seen(at * 50, at), seen(at * 450, at * 9))
    assert [verdict.outcome for verdict in there.verdicts()] == [Outcome.PASSED, Outcome.PASSED]


def test_slower_than_live():
    """A canary most of whose answers take longer fails, though every one is within the limit."""
    there = traffic(check("split.latency_delta", 0.6, minimum=100))
    for at in range(40):
        look(there, at, seen(at * 50, slow=at * 40), seen(at * 450))
    assert only(there).outcome is Outcome.FAILED
    assert only(there).text.startswith("split.latency_delta: slower than live in 90 of 100 pairs, 60 matter, proven")


@pytest.mark.parametrize("ask", ["split.error_delta", "split.latency_delta"])
def test_nothing_to_compare_with(ask: str):
    """A service's first version is compared with nothing, and that stands in nobody's way."""
    there = traffic(check(ask, 0.6), live=None)
    for at in range(5):
        look(there, at, seen(at * 1000))
    assert (only(there).outcome, only(there).text) == (Outcome.PASSED, f"{ask}: its first version, with nothing to compare it with")


@pytest.mark.parametrize(
    ("total", "errors", "outcome", "text"),
    [
        (0, 0, Outcome.PASSED, ": its first version, which nobody has asked yet"),
        (3, 0, Outcome.PASSED, " 0.0 % <= 5.0 % (0 of 3)"),
        (3, 2, Outcome.INCONCLUSIVE, ": 3 of at least 50 samples"),
        (50, 30, Outcome.FAILED, " 60.0 % > 5.0 % (30 of 50)"),
    ],
)
def test_first_version(total: int, errors: int, outcome: Outcome, text: str):
    """Of a service that nobody could know before no request is needed; what it answers has to be good all the same."""
    there = traffic(check("split.error_rate", minimum=50), live=None)
    look(there, 0, seen(0))
    look(there, 1, seen(total, errors))
    assert (only(there).outcome, only(there).text) == (outcome, f"split.error_rate{text}")
    assert there.samples is None


def test_first_version_is_quick():
    """The same holds for how long its answers take."""
    there = traffic(check("split.latency", 1.0, minimum=50), live=None)
    look(there, 0, seen(0))
    assert only(there).text == "split.latency: its first version, which nobody has asked yet"
    look(there, 1, seen(60, slow=60))
    assert only(there).outcome is Outcome.FAILED


def test_samples_are_those_of_the_slowest_service():
    """Two services climb together, so the one with the fewest requests says how many there are; of a first version none are needed."""
    pairs = [Pair(canary=version(f"{name}@2"), live=version(f"{name}@1")) for name in ("web", "api")]
    there = Traffic(Rollout(release="r2", ladder=LADDER, routes=[], pairs=[*pairs, Pair(canary=version("new@2"))]))
    there.see(0, {})
    there.see(1, {"web@2": seen(500), "api@2": seen(3)})
    assert there.samples == 3
    assert Traffic(Rollout(release="r2", ladder=LADDER, routes=[])).samples is None


def test_several_services_share_the_false_alarm():
    """The chance of a false alarm that one service may have is divided among all that are released together."""
    pairs = [Pair(canary=version(name)) for name in ("web@2", "api@2")]
    two = Traffic(Rollout(release="r2", ladder=LADDER, routes=[], pairs=pairs))
    assert two.alpha == traffic().alpha / 2


def test_a_question_nobody_answers():
    """A question about the split that does not exist is an error with the ones that do."""
    there = traffic(check("split.errors"))
    look(there, 0, seen(0))
    look(there, 1, seen(1))
    with pytest.raises(ValueError, match="asks") as caught:
        there.verdicts()
    known = "split.error_rate, split.latency, split.error_delta, split.latency_delta"
    assert str(caught.value) == f"check 'split.errors' asks 'split.errors': a split answers {known}"
