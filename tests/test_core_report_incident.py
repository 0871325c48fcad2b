"""The incident: how bad, who commands, what users met, and what is ticked already."""

from __future__ import annotations

from datetime import timedelta

from sluice.core.contact import Contact
from sluice.core.journal import Event, Happened
from sluice.core.moment import Moment
from sluice.core.report.attempt import Attempt, Impact
from sluice.core.report.chart import rate
from sluice.core.report.incident import Incident, commander, impact, incident, severity
from sluice.core.report.lines import attempts
from sluice.core.rollback.symptom import Severity
from tests.fixtures.journal import NOON, Pen, back, bad, good

ON_CALL, LEAD = Contact(name="Ben", role="on-call", address="ben@example.org"), Contact(name="Cleo", role="incident-commander", after=900)


def failed() -> Attempt:
    return attempts(bad(), [])[0]


def of(attempt: Attempt, left: Event | None = None, returned: Attempt | None = None, contacts: tuple[Contact, ...] = ()) -> Incident:
    return incident(attempt, left=left, returned=returned, contacts=contacts)


def test_failed_canary():
    """A canary that failed requests: severity by their share, commander by role, the postmortem within 48 hours (runbook 004)."""
    made = of(failed())
    assert (made.severity, made.why) == (Severity.P1, "12.0 % of the requests failed (runbook 004, severity levels)")
    assert (made.commander, made.reach) == ("Cleo", "incident-commander, +49 30 1234, proposed")
    assert made.due - failed().ended == timedelta(hours=48)
    assert made.impact == (
        "The new version answered 10.3 % of all 243 requests in 2.0 s, at most 10 % of the traffic; "
        "3 requests failed, 12.0 % of those that it answered"
    )
    assert [(chapter.title, [item.done for item in chapter.items]) for chapter in made.chapters] == [
        ("Identify", [True, False, False]),
        ("Assess", [True, True, True]),
        ("Communicate", [True, False, False]),
        ("Mitigate", [True, False, False]),
        ("Verify", [False, False, False]),
        ("Postmortem", [True, False, False]),
    ]
    assert made.chapters[2].items[0].note == "slack, discord, 13:00:11; discord webhook not told, 2 tries: status 500"
    assert made.chapters[-1].within == "within 48 hours: 2026-11-26 13:00:11 UTC"


def test_nothing_but_errors():
    """Where the last look saw one error more than requests, as it may between two counters, all requests failed, and no more than that."""
    pen = Pen("1.2.0-8cbcf7", "r", NOON).write(Moment.CANARY, Happened.SHIFTED, 0.0, "10 %", weight=10)
    pen.look(10, (3, 4, 0.02), (110, 0, 0.021)).write(Moment.CANARY, Happened.FAILED, 0.01, "GateFailed: no")
    (attempt,) = attempts(pen.events, [])
    assert (attempt.impact.requests, attempt.impact.errors) == (3, 3)
    assert severity(attempt, None) == (Severity.P1, "100.0 % of the requests failed (runbook 004, severity levels)")
    assert rate(attempt.looks[0].sides[0], 1.0) == 1.0


def test_gone_back_from():
    """A live release that somebody went back from: what they said counts, and the return's smoke tests verify it."""
    live, returned = attempts(good(), [])[0], attempts(back(), [])[0]
    made = of(live, back()[0], returned)
    assert (made.severity, made.why) == (Severity.P0, "as ada said")
    assert made.due == back()[0].at + timedelta(hours=48)
    assert of(live, None, returned).due == returned.begun + timedelta(hours=48)
    assert made.chapters[3].items[0].note == "orders are lost, 14:00:00, by ada on deploy-1"
    assert (made.chapters[4].items[0].done, made.chapters[4].items[0].note) == (True, "by the next release, 14:00:01")


def test_gone_back_from_without_a_word():
    """Who goes back from a live release without saying why is asked to say how bad it was."""
    silent = back()[0].model_copy(update={"figures": {}})
    assert severity(attempts(good(), [])[0], silent) == (Severity.P2, "nobody said how bad it was: `sluice rollback --severity` does")


def test_told_to_stop():
    """A canary that somebody ended while all was well has nothing against it; what it had failed by then counts."""
    why = "GateFailed: canary of 1.2.0-8cbcf7 failed at 10 %: told to stop; weight 0, content@1.1.0-aa11 serves"
    ended = failed().model_copy(update={"why": why})
    assert severity(ended, None) == (Severity.P1, "12.0 % of the requests failed (runbook 004, severity levels)")
    well = ended.model_copy(update={"tables": [], "impact": Impact()})
    assert severity(well, None) == (Severity.P3, "it was ended, and nothing that was seen is in the matrix")


def test_gone_back_from_by_itself():
    """A failed release that the command went back from by itself is still what its failure says, and due by that."""
    by_itself = back(bad()[0].release)[0].model_copy(update={"figures": {}})
    made = of(failed(), by_itself)
    assert (made.severity, made.due) == (of(failed()).severity, of(failed()).due)


def test_nobody_met_it():
    """What failed before it had traffic is as bad as its row of the matrix says, and nobody met it."""
    pen = Pen("1-a", "r", NOON).step(Moment.PREFLIGHT, 1).write(Moment.HEALTH, Happened.BEGAN).write(Moment.HEALTH, Happened.FAILED, 9, "x")
    made = of(attempts(pen.events, [])[0], contacts=(ON_CALL,))
    assert (made.severity, made.impact) == (Severity.P1, "No request reached the new version")
    assert (made.commander, made.reach) == ("Ben", "on-call, ben@example.org, proposed")
    assert made.chapters[3].items[0].note == "not needed: the new version had no traffic"


def test_commander():
    """A role that commands goes before the first who is called; nobody is said to be nobody."""
    assert commander([ON_CALL, LEAD]) == ("Cleo", "incident-commander, proposed")
    assert commander([ON_CALL]) == ("Ben", "on-call, ben@example.org, proposed")
    assert commander([Contact(name="Ada")]) == ("Ada", "proposed")
    assert commander([]) == ("nobody yet", "sluice:rollout.contacts is empty")


def test_impact_without_live():
    """A first release has nothing beside it."""
    said = impact(Impact(requests=1, errors=0, weight=100, seconds=61))
    first = "The new version answered 1 request in 1 min 1 s, at most 100 % of the traffic"
    assert said == f"{first}; 0 requests failed, 0.0 % of those that it answered"
