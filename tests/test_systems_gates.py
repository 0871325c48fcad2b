"""Gates that are asked without a release, before real servers."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.core.check import Check, Limit
from sluice.core.clock import ManualClock, SystemClock
from sluice.core.errors import ConfigError, Interrupted
from sluice.core.questions import Health, Preflight, Questions, Saved, Smoke
from sluice.core.requirement import Fact, Requirement
from sluice.core.verdict import Verdict
from sluice.systems import gates
from tests.fixtures.front import free
from tests.fixtures.web import Answer, Web

CLOCK = SystemClock()


def status(url: str, **more: Any) -> Check:
    return Check(name="web is well", ask="http.status", of={"url": url}, limit=Limit(is_="==", value=200), **more)


def seen(found: list[Verdict]) -> list[tuple[str, str]]:
    return [(one.outcome.value, one.text) for one in found]


def journey(name: str, path: str) -> dict[str, Any]:
    clean = {"name": "away", "path": "/clean", "status": 200}
    return {"name": name, "target": "web", "steps": [{"name": "ask", "path": path, "status": 200}], "cleanup": [clean]}


def test_preflight():
    """Every reason not to begin is a failure; what is so is said too."""
    asked = Preflight(
        facts=[Fact(name="window", ok=False, why="closed until Monday"), Fact(name="content", ok=True)],
        requirements=Requirement(executables=["no-such-thing"]),
    )
    assert seen(gates.preflight(asked, CLOCK)) == [
        ("failed", "window: closed until Monday"),
        ("passed", "content: as it should be"),
        ("failed", "executable 'no-such-thing' is not on PATH: install it"),
    ]
    assert seen(gates.preflight(Preflight(), CLOCK)) == [("passed", "machine: has what the program requires")]


def test_health(web: Web):
    """One question each, all at once; a version that does not run is no evidence, and an address where nobody is, is an error."""
    url = web.tell("/health", Answer(200), Answer(503))
    good, bad = gates.health(Health(checks=[status(url)], deadline=1), CLOCK), gates.health(Health(checks=[status(url)], deadline=1), CLOCK)
    assert seen(good + bad) == [("passed", f"web is well: 200 ({url})"), ("failed", f"web is well 503 != 200 ({url})")]
    gone = f"http://127.0.0.1:{free()}/health"
    found = gates.health(Health(checks=[status(gone)], absent=["web@2"], deadline=1), CLOCK)
    assert [one.outcome.value for one in found] == ["inconclusive", "errored"]
    assert found[0].text == "web@2 does not run, so that nobody can ask it: `pulumi up` starts it"


def test_a_wrong_question(web: Web):
    """A question that nobody knows is an error of the program, not of what is asked."""
    check = status(web.url).model_copy(update={"ask": "http.nothing"})
    with pytest.raises(ConfigError, match=r"check 'web is well': "):
        gates.health(Health(checks=[check], deadline=1), CLOCK)


def test_smoke(web: Web):
    """Every journey is walked and cleaned up after, whatever became of the one before."""
    for path in ("/good", "/clean"):
        web.tell(path, Answer(200))
    web.tell("/bad", Answer(500))
    asked = Smoke(journeys=[journey("bad", "/bad"), journey("good", "/good")], targets={"web": f"{web.url}/"}, deadline=30)
    first, second = gates.smoke(asked, CLOCK)
    assert (first.outcome.value, second.outcome.value, second.text) == ("failed", "passed", "journey 'good': 1 step")
    assert first.text.startswith("smoke 'bad' step 1 'ask': ")
    assert [one.path for one in web.asked] == ["/bad", "/clean", "/good", "/clean"]


def test_smoke_of_what_is_not_there(web: Web):
    """A journey to a service that the stack does not have could not be walked, and has not failed."""
    (one,) = gates.smoke(Smoke(journeys=[journey("lost", "/")], targets={}, deadline=30), CLOCK)
    assert seen([one]) == [("errored", "journey 'lost' could not be walked: it asks 'web', which the stack does not have")]


class Told(ManualClock):
    """A clock that tells to stop at its first wait."""

    def wait(self, seconds: float) -> None:
        raise Interrupted("told to stop")


def test_interrupted(web: Web):
    """Whoever is told to stop does not wait for an answer that is on its way."""
    url = web.tell("/health", Answer(200, before=lambda: __import__("time").sleep(0.5)))
    with pytest.raises(Interrupted):
        gates.health(Health(checks=[status(url)], deadline=1), Told())


@pytest.mark.parametrize("gate", ["smoke", "mark"])
def test_nothing_to_ask(gate: str):
    """A stack without journeys or marks has nothing to say, which is no pass."""
    asked = Questions(release="r", preflight=Preflight(), health=Health(deadline=1), saved=Saved(owner="p/s"))
    assert gates.look(gate, asked, CLOCK) == []
