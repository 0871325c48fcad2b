"""A stack as it is seen: who holds it, what was killed, who has the traffic, who answers."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.core.diagnosis import stack
from sluice.core.diagnosis.finding import Finding, State
from sluice.core.diagnosis.stack import Answer
from sluice.core.rollback.deadline import Deadline
from sluice.core.rollback.symptom import Severity

OVER = "way back: to '1-a', P0: it has taken longer than 3m, expected that it is live"
URL = "http://127.0.0.1:20001/health"
CANCEL = "pulumi cancel --yes --stack test"
CLEAR = "pulumi refresh --clear-pending-creates --skip-preview --yes --stack prod"


def seen(found: list[Finding]) -> list[tuple[str, str]]:
    return [(one.state.value, one.line) for one in found]


def test_lock():
    """A dead holder's lock is a problem with its remedy; a living one's is no finding against it."""
    assert seen(stack.lock([], CANCEL)) == [("ok", "lock: nobody holds the stack")]
    assert seen(stack.lock([("pid 5 holds it", False)], CANCEL)) == [("ok", "lock: pid 5 holds it")]
    told = (
        "lock: pid 5 holds it, expected nobody, or a living update: the CLI was killed, and every update is refused until the lock is gone"
    )
    assert seen(stack.lock([("pid 5 holds it", True)], CANCEL)) == [("problem", f"{told}; run: {CANCEL}")]


def test_pending():
    """Operations without an end are told, unless an update is working on them."""
    assert [one.seen for one in stack.pending([], [], CLEAR, busy=False)] == ["none was cut short"]
    for names, remembered in ((["web"], []), ([], ["web"])):
        assert [one.seen for one in stack.pending(names, remembered, CLEAR, busy=True)] == ["an update is at work"]
    told = (
        "operations: no end known of web, api, expected none: an update was killed while it worked on them; the next one looks what became"
    )
    assert seen(stack.pending(["web", "api"], ["db"], CLEAR, busy=False)) == [("problem", f"{told} of it, and goes on; run: pulumi up")]


def test_remembered():
    """What the engine keeps of creations that were cut short is told with the command that clears it; it stops nothing."""
    told = (
        "operations: creations that were cut short: web, api, expected none: an update was killed as it created them, and the engine keeps "
        "that until it is cleared: every update warns of it, and goes on"
    )
    assert seen(stack.pending([], ["web", "api"], CLEAR, busy=False)) == [("warning", f"{told}; run: {CLEAR}")]


@pytest.mark.parametrize(
    ("configured", "live", "busy", "state", "text"),
    [
        ("1-a", "1-a", False, "ok", "'1-a' is live and proven"),
        ("2-b", "1-a", True, "ok", "'2-b' is being released"),
        ("2-b", "1-a", False, "warning", "config names '2-b'"),
        ("2-b", None, False, "warning", "nothing is proven yet"),
    ],
)
def test_release(configured: str, live: str | None, busy: bool, state: str, text: str):
    """What config names and what is proven may differ only while an update runs."""
    found = stack.release(configured, live, busy=busy)
    assert (found.state.value, found.seen) == (state, text)


@pytest.mark.parametrize(
    ("now", "busy", "told"),
    [
        (190, True, ("ok", "way back: to '1-a', P0: 1m30s of 3m left")),
        (281, True, ("problem", f"{OVER}: its update is still at work; run: sluice status --watch")),
        (281, False, ("problem", f"{OVER}: its update has failed, or was killed: what was live serves; run: pulumi up")),
    ],
)
def test_way_back(now: float, busy: bool, told: tuple[str, str]):
    """A way back that takes longer than its severity leaves is a problem, whoever has begun it; what helps depends on its update."""
    assert seen(stack.back(Deadline(severity=Severity.P0, within=180, begun=100), "1-a", now, busy=busy)) == [told]
    assert stack.back(None, "1-a", now, busy=busy) == []


def test_held():
    """A release that is held on its way is no fault; what leads on and back is told."""
    found = stack.release("2-b", "1-a", "'2-b' is held at 25 %", busy=False)
    assert seen([found]) == [("ok", "release: '2-b' is held at 25 %: `sluice promote` goes on, `sluice abort` goes back")]


def test_keeper():
    """Without a keeper nothing can be held; traffic that is not proven and that nobody would take back is a problem."""
    assert seen([stack.keeper(True, "")]) == [("ok", "keeper: is at work; all traffic is on what is proven")]
    told = "keeper: does not answer, expected at work: no release can be held without it; run: pulumi up"
    assert seen([stack.keeper(False, "")]) == [("warning", told)]
    told = "keeper: does not answer; '2-b' has traffic, expected at work: if the deployer dies, its traffic stays; run: pulumi up"
    assert seen([stack.keeper(False, "'2-b' has traffic")]) == [("problem", told)]


def test_traffic():
    """Traffic on what is not proven is a problem unless an update is at work; so is a door with nobody behind it."""
    assert seen(stack.traffic({"web /": {"web@1": 100}}, ["web@1"], busy=False)) == [("ok", "door web /: 100 % web@1")]
    parts = {"web@1": 75, "web@2": 25}
    assert [one.state for one in stack.traffic({"web /": parts}, ["web@1"], busy=True)] == [State.OK]
    told = "door web /: 75 % web@1, 25 % web@2, expected all on what is proven: an update was killed, and its canary still has traffic"
    assert seen(stack.traffic({"web /": parts}, ["web@1"], busy=False)) == [("problem", f"{told}; run: sluice abort")]
    shut = "door web /: closed (503), expected all on what is proven: nothing is behind it; run: pulumi up"
    assert seen(stack.traffic({"web /": {}}, ["web@1"], busy=False)) == [("problem", shut)]


def version(answer: Answer, **more: Any) -> Finding:
    return stack.version("web@1", answer, **{"runs": True, "serves": True, "stranger": "", "log": "/log/web", **more})


def test_version():
    """A version that serves and does not answer is a problem, with what is known of the cause; a warm one is a warning."""
    good, bad, none = Answer(URL, 200, seconds=0.004), Answer(URL, 500, seconds=1), Answer(URL, 0, f"no answer from {URL} within 1.5 s")
    assert seen([version(good)]) == [("ok", f"web@1: 200 from {URL} in 4 ms")]
    told = f"web@1: 500 from {URL} in 1000 ms, expected 2xx or 3xx: its process is there and does not answer as it should"
    assert seen([version(bad)]) == [("problem", f"{told}; run: tail -n 50 /log/web")]
    told = f"web@1: no answer from {URL} within 1.5 s, expected 2xx or 3xx: its process is not running; run: pulumi up"
    assert seen([version(none, runs=False)]) == [("problem", told)]
    assert version(none, runs=False, serves=False).state is State.WARNING
    taken = version(good, runs=False, stranger="'nc' (pid 6)")
    assert (taken.state.value, taken.cause) == ("problem", "'nc' (pid 6) has its port, so that it cannot start")


@pytest.mark.parametrize(("status", "state"), [(200, "ok"), (404, "ok"), (500, "problem"), (503, "problem"), (0, "problem")])
def test_door(status: int, state: str):
    """Whatever a service itself says through its door is an answer; the proxy's own 503 is none."""
    found = stack.door("web", Answer(URL, status, "" if status else "no answer"))
    assert found.state.value == state
    assert found.next == ("" if state == "ok" else f"curl -i {URL}")


def test_programs():
    """What supervisord has given up is told with its reason; one that serves is a problem."""
    states = {"web@1": ("FATAL", "exited too quickly"), "api@1": ("RUNNING", ""), "old@1": ("STOPPED", "not started")}
    why = "exited too quickly; supervisord gives up after some starts that fail at once"
    told = f"program web@1: FATAL, expected RUNNING: {why}; run: pulumi up"
    assert seen(stack.programs(states, ["web@1", "api@1", "old@1", "new@1"], ["web@1"])) == [
        ("problem", told),
        ("warning", "program old@1: STOPPED, expected RUNNING: not started; run: pulumi up"),
        ("warning", "program new@1: unknown, expected RUNNING: supervisord has no such program; run: pulumi up"),
    ]
    assert seen(stack.programs(states, ["api@1"], [])) == [("ok", "supervisord: runs api@1")]


def test_references():
    """A credential is told by its reference, and how to put it there."""
    assert seen(stack.references({}, 1)) == [("ok", "credentials: 1 reference in config, which resolves here")]
    found = stack.references({"env:TOKEN": "not set", "file:/run/x": "cannot be read"}, 2)
    assert [(one.what, one.next) for one in found] == [
        ("credential 'env:TOKEN'", "export TOKEN=..."),
        ("credential 'file:/run/x'", "ls -l /run/x"),
    ]


@pytest.mark.parametrize(("mode", "told"), [(0o600, None), (0o400, None), (0o640, "mode 0640"), (0o604, "mode 0604"), (None, "not there")])
def test_private(mode: int | None, told: str | None):
    """A file with a secret is there, and for its owner alone."""
    found = stack.private("password file", "/p", mode)
    assert (found.seen if found else None) == told


def test_variables():
    """Only what an update would stumble over is told, by its name."""
    assert seen(stack.variables(False, None, ("", ""))) == [("ok", "variables: as an update needs them")]
    assert seen(stack.variables(False, True, ("/a", "/a"))) == [("ok", "variables: as an update needs them")]
    found = stack.variables(True, False, ("/b", "/a"))
    assert [(one.what, one.next) for one in found] == [
        ("variable PULUMI_CONTINUE_ON_ERROR", "unset PULUMI_CONTINUE_ON_ERROR"),
        ("variable PULUMI_CONFIG_PASSPHRASE", "read -rs PULUMI_CONFIG_PASSPHRASE && export PULUMI_CONFIG_PASSPHRASE"),
        ("variable SLUICE_HOME", "export SLUICE_HOME=/a"),
    ]


def test_tools():
    """A program that an update would start, and that is not there, is told with how to bring it."""
    assert seen(stack.tools([], ["pulumi v3"])) == [("ok", "programs: pulumi v3")]
    told = "program 'pulumi': not on PATH, expected there: an update cannot start it; run: make setup && . scripts/env"
    assert seen(stack.tools(["pulumi"], [])) == [("problem", told)]


def test_late():
    """What was not answered in time is not known, and not well."""
    assert seen([stack.late("stack", "lock", 4.5)]) == [("unknown", "lock: no answer within 4.5 s: ask again, or look by hand")]


def test_gone():
    """A system that does not answer is started again by the next update."""
    told = "envoy: refused, expected an answer: the proxy does not run; run: pulumi up"
    assert seen([stack.gone("services", "envoy", "refused", "the proxy does not run")]) == [("problem", told)]
