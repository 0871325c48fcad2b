"""The success criteria of a release: nothing that was not asked has passed."""

from __future__ import annotations

from datetime import timedelta

from sluice.core.journal import Event, Happened
from sluice.core.moment import Moment
from sluice.core.report.criterion import Criterion, Word, criteria
from sluice.core.report.lines import attempts
from tests.fixtures.journal import MISSED, NOON, RATE, WHY, Pen, bad, begun, good, row

JOURNEY = {"check": "buy", "outcome": "passed", "observed": "3 steps in 0.2 s", "expected": "every step as it is written"}


def table(events: list[Event], **skipped: str) -> list[tuple[str, str, str, str]]:
    (one,) = attempts(events, [])
    return [(made.name, made.word.value, made.figure, made.source) for made in criteria(one, skipped, [], [])]


def word(events: list[Event], name: str, **skipped: str) -> tuple[str, str]:
    return next((is_, seen) for criterion, is_, seen, _ in table(events, **skipped) if criterion == name)


def test_good():
    """Of a good release every criterion has its figure, who saw it, and when."""
    (smoke,) = [one for one in table(good()) if one[0] == "all smoke tests passing"]
    assert smoke == ("all smoke tests passing", "not asked", "the journal has no journey of it", "")
    assert [one for one in table(good()) if one != smoke] == [
        ("all services healthy", "passed", "1 of 1 check passed", "health, 12:00:07"),
        ("new version as good as live, under traffic", "passed", "2 of 2 checks passed", "canary, 12:00:19"),
        ("requests answered", "passed", "0.0 % of 550 requests failed, at up to 100 % for 12 s", "the splitter's counters"),
        (
            "databases saved and migrated",
            "passed",
            "shop: 20261124-1200, 1.0 MiB in 0.4 s; restored and compared; shop: 0002_index",
            "backup, expand, settle, 12:00:20",
        ),
        ("people told", "passed", "1 message to slack", "notify, 12:00:21"),
        ("live and proven", "passed", "proven, after 21 s", "journal, 12:00:21"),
    ]


def test_journeys_and_checks_of_a_team():
    """Each journey, and each check of the team's own, is a criterion by its name; Sluice's own checks are counted."""
    pen = begun(Pen("1.1.0-a", "r", NOON))
    pen.rule(Moment.SMOKE, JOURNEY)
    pen.rule(Moment.CANARY, row("web: p95", "passed", "0.1 s", "<= 5 s"), row("errors in the log", "passed", "0", "<= 0"), step=100)
    pen.write(Moment.CANARY, Happened.PASSED, 0.1).step(Moment.RECORD, 0.1)
    named = {one[0]: one[1:3] for one in table(pen.events)}
    assert (named["buy"], named["errors in the log"]) == (
        ("passed", "3 steps in 0.2 s (wanted every step as it is written)"),
        ("passed", "0 (wanted <= 0)"),
    )
    assert named["all smoke tests passing"] == ("passed", "1 of 1 check passed")
    assert {"web: p95", "content is well"}.isdisjoint(named)


def test_failed():
    """A canary that fails says which check, and with what; what comes after it was not asked, and a message that was lost is a failure."""
    assert word(bad(), "new version as good as live, under traffic") == (
        "failed",
        "0 of 1 check passed; content: error rate: 12.0 % (3 of 25)",
    )
    assert word(bad(), "people told") == ("failed", MISSED)
    assert word(bad(), "live and proven")[0] == "failed"
    assert WHY not in str(table(bad()))


def test_broken_smoke_test():
    """A smoke test that fails says where; nobody climbed."""
    pen = Pen("1.1.0-a", "r", NOON).step(Moment.PREFLIGHT, 0.1)
    pen.write(Moment.SMOKE, Happened.BEGAN).write(Moment.SMOKE, Happened.FAILED, 1, "GateFailed: smoke 'buy' step 1: got 500")
    assert word(pen.events, "all smoke tests passing") == ("failed", "GateFailed: smoke 'buy' step 1: got 500")
    assert word(pen.events, "all services healthy") == ("not asked", "it did not come to that")
    assert word(pen.events, "new version as good as live, under traffic")[0] == "not asked"


def test_left_out():
    """What somebody let it go without has not passed."""
    seen = word(good(), "all smoke tests passing", tests="ada")
    assert seen == ("left out", "without its smoke tests by leave of 'ada'")
    assert word(good(), "databases saved and migrated", backup="bob")[1].endswith(", without a backup by leave of 'bob'")


def test_marks():
    """A look that is to come is said with its time, and one that has failed is a failure."""
    (one,) = attempts(good(), [])
    late = Pen("1.1.0-a", "m", NOON).step(Moment.MARK, 1).events
    (look,) = attempts(late, [])
    found = criteria(one, {}, [look], [("1h", NOON + timedelta(hours=1))])
    name = "well when looked at later"
    assert [made for made in found if made.name == name] == [
        Criterion(name=name, word=Word.PASSED, source="mark, 2026-11-24 12:00:01 UTC"),
        Criterion(name=name, word=Word.LATER, figure="1h after it was proven", source="mark, due 2026-11-24 13:00:00 UTC"),
    ]


def test_rate():
    """A check that Sluice makes of a threshold is no team's own, whatever its service is called."""
    pen = begun(Pen("1.1.0-a", "r", NOON)).rule(Moment.CANARY, row("a: b: error rate", "passed", "0", "<= 1", **RATE), step=10)
    assert "a: b: error rate" not in str([one[0] for one in table(pen.events)])
