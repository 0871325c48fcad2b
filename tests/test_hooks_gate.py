"""A gate before a real server."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from sluice.core.clock import ManualClock, SystemClock
from sluice.core.errors import ConfigError, GateFailed, Interrupted
from sluice.hooks.gate import GateProvider, rules, wait
from tests.fixtures.web import Answer, Web

Props = dict[str, Any]


def status(url: str, name: str = "status", **more: Any) -> Props:
    return {"name": name, "ask": "http.status", "of": {"url": url}, "limit": {"is": "==", "value": 200.0}, **more}


def gate(*checks: Props, **more: Any) -> Props:
    return {
        "release": "r1",
        "settled": False,
        "moment": "health",
        "subject": "web@1.1-3fa2",
        "checks": list(checks),
        "deadline": 30.0,
    } | more


def refusal(props: Props) -> list[str]:
    return [failure.reason for failure in GateProvider().check({}, props).failures]


def test_ready_later(web: Web):
    """A gate asks until the service is healthy, once a second."""
    clock = ManualClock(0)
    url = web.tell("/health", Answer(503), Answer(503), Answer(200))
    (verdict,) = wait(rules(gate(status(url))), clock)
    assert verdict.text == f"status: 200 ({url})"
    assert clock.now() == 2


def test_deadline(web: Web):
    """A gate that does not open until the deadline fails in one line with what was seen."""
    clock = ManualClock(0)
    bad, good = web.tell("/bad", Answer(503)), web.tell("/good", Answer(200))
    props = gate(status(bad, action="restart it"), status(good, "other"), status(good, "third"))
    with pytest.raises(GateFailed) as caught:
        wait(rules(props), clock)
    expected = f"health of web@1.1-3fa2: status 503 != 200 ({bad}) [P2: restart it]; 1 of 3 checks failed within 30 s"
    assert str(caught.value) == expected
    assert clock.now() == 30
    assert len(web.asked) == 31 * 3


def test_critical(web: Web):
    """A critical failure fails at once."""
    clock = ManualClock(0)
    url = web.tell("/health", Answer(500), Answer(200))
    with pytest.raises(GateFailed) as caught:
        wait(rules(gate(status(url, severity="P0"))), clock)
    assert str(caught.value) == f"health of web@1.1-3fa2: status 500 != 200 ({url}) [P0]; 1 of 1 check failed after 0 s"


def test_hold(web: Web):
    """With `hold`, a bad answer on the way begins the time anew."""
    clock = ManualClock(0)
    url = web.tell("/health", Answer(200), Answer(500), Answer(200))
    wait(rules(gate(status(url), hold=5.0)), clock)
    assert clock.now() == 7


def test_silence(web: Web):
    """No data never opens a gate."""
    check = {"name": "trace", "ask": "http.header", "of": {"url": web.tell("/", Answer(200)), "header": "x-trace"}}
    with pytest.raises(GateFailed) as caught:
        wait(rules(gate(check | {"limit": {"is": "!=", "value": ""}}, deadline=0.0)), ManualClock())
    evidence = f"no header 'x-trace' from {web.url}/, status 200"
    assert str(caught.value) == f"health of web@1.1-3fa2: trace: no data, {evidence} [P2]; 1 of 1 check inconclusive within 0 s"


def test_all_at_once(web: Web):
    """Fifty checks are asked at the same time: none is answered before all have been asked."""
    together = threading.Barrier(50)
    checks = [status(web.tell(f"/{n}", Answer(200, before=lambda: together.wait(20))), str(n), timeout=20.0) for n in range(50)]
    assert len(wait(rules(gate(*checks)), SystemClock())) == 50


def test_crowd(web: Web):
    """More checks than places are all asked."""
    url = web.tell("/", Answer(200))
    assert len(wait(rules(gate(*(status(url, str(number)) for number in range(60)))), ManualClock())) == 60


def test_told_to_stop(web: Web):
    """Told to stop, a gate ends while a slow check is still being answered."""
    late = threading.Event()

    class Stopped(ManualClock):
        def wait(self, seconds: float) -> None:
            raise Interrupted("told to stop")

    try:
        with pytest.raises(Interrupted, match="told to stop"):
            wait(rules(gate(status(web.tell("/slow", Answer(200, before=late.wait))))), Stopped())
        assert not late.is_set()
    finally:
        late.set()


def test_unknown_when_asked():
    """A check that cannot be asked at all ends the gate at once as a mistake in the settings."""
    broken = status("http://127.0.0.1") | {"ask": "http.stat"}
    with pytest.raises(ConfigError) as caught:
        wait(rules(gate(broken)), ManualClock())
    known = "http.status, http.json, http.duration, http.header"
    assert str(caught.value) == f"check 'status': unknown question 'http.stat': known are {known}"


def test_run(web: Web):
    """The provider opens, and its outputs are its release and a sentence a check, without a time."""
    url = web.tell("/health", Answer(200))
    props = gate(status(url))
    outs = GateProvider().create(props).outs
    assert outs == {"release": "r1", "verdicts": [f"status: 200 ({url})"]}
    assert GateProvider().update("r1", {}, props).outs == outs


def test_failure_line(web: Web):
    """The provider's error says who is next and where to look."""
    url = web.tell("/health", Answer(503))
    with pytest.raises(GateFailed) as caught:
        GateProvider().create(gate(status(url), deadline=0.0, contacts=[{"name": "Ada"}], look="web.log"))
    expected = f"health of web@1.1-3fa2: status 503 != 200 ({url}) [P2]; 1 of 1 check failed within 0 s; next: Ada; look at web.log"
    assert str(caught.value) == expected


def test_check_good():
    """A good gate is accepted in preview, without anything being asked."""
    assert refusal(gate(status("http://127.0.0.1:1"))) == []


def test_check_all_problems():
    """Everything that is wrong is told in preview, all at once, with the names that are known."""
    checks = [
        {"name": "a", "ask": "http.stat", "limit": {"is": "<", "value": 1}},
        {"name": "b", "ask": "htp.status", "limit": {"is": "<", "value": 1}},
        {"name": "c", "ask": "sql.rows", "of": {"quer": "select 1", "host": "h", "dbname": "d"}, "limit": {"is": "<", "value": 1}},
    ]
    assert refusal(gate(*checks)) == [
        "check 'a': unknown question 'http.stat': known are http.status, http.json, http.duration, http.header",
        "check 'b': no system named 'htp' for 'htp.status': known are http, sql, logs, process, files, supervisord, prometheus",
        "check 'c': 'sql.rows' takes no 'quer': known are host, dbname, user, query, port, passfile, params",
        "check 'c': 'sql.rows' needs 'user'",
        "check 'c': 'sql.rows' needs 'query'",
    ]


def test_check_shape():
    """A gate of the wrong shape is refused with the path of each problem, and without the value."""
    wrong = status("http://127.0.0.1") | {"limit": {"is": "=", "value": 200}, "planted": "planted"}
    assert refusal(gate(wrong, moment="lunch")) == [
        "moment: Input should be 'preflight', 'backup', 'drill', 'drain', 'expand', 'backfill', 'deploy', 'health', 'smoke', "
        "'canary', 'promote', 'settle', 'record', 'mark', 'abort', 'restore', 'repair' or 'rollback'",
        "checks.0.limit.is: Input should be '<', '<=', '>', '>=', '==', '!=' or 'matches'",
        "checks.0.planted: Extra inputs are not permitted",
    ]
    assert refusal(gate()) == ["checks: List should have at least 1 item after validation, not 0"]
    assert refusal(gate(status("http://a"), hold=60.0)) == ["gate: Value error, hold 60 s is longer than the deadline of 30 s"]


def test_check_unknown_values():
    """What preview does not know yet is not judged; what it knows is."""
    from pulumi.runtime.rpc import UNKNOWN

    assert refusal(gate(checks=UNKNOWN)) == []
    assert refusal(gate(status(UNKNOWN))) == []
    assert len(refusal(gate(status(UNKNOWN) | {"ask": "http.stat"}))) == 1


def test_check_settled():
    """A settled gate is not looked at, and says no change; nor is one on its own whose release has not changed."""
    settled = gate({"nonsense": True}, settled=True)
    assert refusal(settled) == []
    assert GateProvider().diff("r1", {}, settled).changes is False
    assert GateProvider().diff("r1", {}, gate()).changes is True
    alone = gate({"nonsense": True})
    del alone["settled"]
    assert GateProvider().check(alone, alone).failures == []
    assert len(refusal(alone)) > 0


def test_settled_asks_nothing():
    """A gate that is made anew for a settled release, as by a later Sluice, has been passed: it has nothing to ask."""
    assert GateProvider().create({"release": "r1", "settled": True, "moment": "health", "checks": []}).outs["verdicts"] == []
