"""What a climb leaves in the journal, and how much of it."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.core.check import Check, Limit, Unit, judge
from sluice.core.figures import Figures
from sluice.core.journal import Happened
from sluice.core.judge.histogram import Histogram
from sluice.core.ladder import Ladder, Phase, Step
from sluice.core.reading import Number
from sluice.core.rollout import Pair, Rollout
from sluice.core.tape import Tape
from sluice.core.version import Version

RATE = Check(name="web: error rate", ask="split.error_rate", limit=Limit(is_="<=", value=0.05, unit=Unit.RATIO))
NEW, OLD = (Version(service="web", version=version, name=f"web@{version}", url="http://x") for version in ("2", "1"))
ROLLOUT = Rollout(release="2-a", ladder=Ladder(steps=[Step(weight=10)]), routes=[], pairs=[Pair(canary=NEW, live=OLD)], checks=[RATE])


class Written:
    """A tape and what came of it."""

    def __init__(self) -> None:
        self.events: list[tuple[float, Happened, str, dict[str, Any]]] = []
        self.tape = Tape(ROLLOUT, lambda *event: self.events.append(event))

    def of(self, kind: Happened) -> list[dict[str, Any]]:
        return [figures for _, event, _, figures in self.events if event is kind]

    def kinds(self) -> list[str]:
        return [event.value for _, event, *_ in self.events]


def figures(canary: int, errors: int, live: int = 100) -> dict[str, Figures]:
    slow = Histogram(((0.1, canary - errors), (0.4, errors)))
    return {"web@2": Figures(canary, errors, slow), "web@1": Figures(live, 0, Histogram(((0.1, live), (0.4, 0))))}


def verdict(value: float) -> Any:
    return judge(RATE, Number(value=value, evidence="1 of 9"))


def test_a_good_step():
    """A step leaves its weight, what both sides answered while it lasted, and its verdicts."""
    one = Written()
    one.tape.look(100.0, figures(0, 0))
    one.tape.shift(100.0, 10)
    one.tape.look(101.0, figures(10, 1, 190))
    one.tape.judge(101.0, [verdict(0.01)], 10, Phase.PASSED)
    assert one.kinds() == ["shifted", "looked", "judged"]
    assert one.of(Happened.SHIFTED) == [{"weight": 10}]
    assert one.of(Happened.LOOKED) == [
        {
            "weight": 10,
            "seconds": 1.0,
            "sides": [
                {"side": "canary", "service": "web", "version": "web@2", "requests": 10, "errors": 1, "p95": 0.25},
                {"side": "live", "service": "web", "version": "web@1", "requests": 90, "errors": 0, "p95": 0.095},
            ],
        }
    ]
    assert one.of(Happened.JUDGED)[0]["step"] == 10
    assert one.of(Happened.JUDGED)[0]["verdicts"][0]["observed"] == "1.0 % (1 of 9)"


def test_a_failure_waits_for_weight_0():
    """Between a failed look and weight 0 nothing is written; then come the look, the verdicts, the weight and the reason."""
    one = Written()
    one.tape.look(100.0, figures(0, 0))
    one.tape.shift(100.0, 10)
    one.tape.look(101.0, figures(10, 9))
    one.tape.judge(101.0, [verdict(0.9)], 10, Phase.RETREAT)
    assert one.kinds() == ["shifted"]
    one.tape.look(101.1, figures(12, 10))
    one.tape.leave(101.1, "error rate 90 %")
    assert one.kinds() == ["shifted", "looked", "judged", "shifted", "aborted"]
    assert one.of(Happened.LOOKED)[0]["sides"][0] | {"p95": None} == {
        "side": "canary", "service": "web", "version": "web@2", "requests": 12, "errors": 10, "p95": None,
    }  # fmt: skip
    assert (one.events[-1][2], one.of(Happened.SHIFTED)[-1]) == ("error rate 90 %", {"weight": 0})


@pytest.mark.parametrize(("hours", "poll", "most"), [(0.25, 1, 330), (24, 1, 800), (24 * 14, 30, 800)])
def test_bounded(hours: float, poll: float, most: int):
    """A soak of any length leaves a bounded number of lines, and every request is in one of them."""
    one = Written()
    end = int(hours * 3600 / poll)
    one.tape.look(0.0, figures(0, 0))
    for count in range(1, end + 1):
        one.tape.look(count * poll, figures(count, count // 10))
        one.tape.judge(count * poll, [], 10, Phase.SOAK if count < end else Phase.PASSED)
    looks = one.of(Happened.LOOKED)
    assert 100 < len(looks) < most
    assert sum(look["sides"][0]["requests"] for look in looks) == end
    assert sum(look["sides"][0]["errors"] for look in looks) == end // 10
    assert sum(look["seconds"] for look in looks) == pytest.approx(end * poll)


def test_a_short_soak_has_every_look():
    """In the first minutes every look is written."""
    one = Written()
    for second in range(61):
        one.tape.look(float(second), figures(second, 0))
        one.tape.judge(float(second), [], 10, Phase.SOAK)
    assert len(one.of(Happened.LOOKED)) == 60


def test_no_latency():
    """A side without an answer, or with one beyond every bound, has no p95: no number is better than a wrong one."""
    one = Written()
    one.tape.look(0.0, figures(0, 0))
    open_end = Histogram(((0.1, 0), (float("inf"), 5)))
    one.tape.look(1.0, {"web@2": Figures(5, 0, open_end), "web@1": Figures(100, 0)})
    one.tape.shift(1.0, 10)
    assert [side["p95"] for side in one.of(Happened.LOOKED)[0]["sides"]] == [None, None]
