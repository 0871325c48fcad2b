"""Long canaries and the keeper, with the real engine: held, promoted, ended, and whoever dies, traffic that nobody watches goes back."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import time

import pytest

from sluice.runtimes.process.folder import Folder
from sluice.systems import process, splits
from sluice.systems.keeper import file
from tests.fixtures.engine import QUICK, Engine
from tests.fixtures.sluice import sluice, told

pytestmark = [pytest.mark.engine, pytest.mark.embedded]
HEARTBEAT = 10.0
# Held for long, a version on a busy machine is found to be slower some day by the quarter of the connections that it has.
CHECKS = {**QUICK["checks"], "latency_delta": {"off": True}}  # type: ignore[dict-item]


def given_live(engine: Engine) -> None:
    engine.rollout(checks=CHECKS)
    engine.release("1")
    assert engine.up().ok
    assert engine.live == "1"


def given_held(engine: Engine, **rollout: object) -> None:
    """Have 1 live, and 2 held at 25 %, which fails as soon as there is a fault."""
    given_live(engine)
    engine.rollout(until=25, **rollout)
    engine.release("2", web={"FAIL_FILE": str(engine.fault)})
    with engine.load():
        result = engine.up()
    assert result.ok, result.out
    assert engine.at(25)


def split(engine: Engine) -> splits.Split:
    return splits.open({"kind": "envoy", "folder": str(engine.root / "front"), "admin": str(Folder(engine.root).admin)})


def judged(engine: Engine) -> bool:
    """Say whether the keeper judges what has the traffic."""
    return split(engine).kept(time.time(), engine.share.owner)


def keeper(engine: Engine) -> int | None:
    return process.owner(Folder(engine.root).pidfile("keeper"))


def ended(engine: Engine) -> str:
    """Return why the keeper took traffic back last."""
    found = file.word(engine.root / "front").get("ended")
    return str(found["why"]) if found else ""


def test_held_and_promoted(engine: Engine) -> None:
    """An update that goes to 25 % succeeds there and proves nothing; again, it moves nothing; promoted, the release is proven."""
    given_live(engine)
    engine.rollout(until=25)
    engine.release("2")
    assert "  then: held at 25 %, unproven and judged, for at most 1d; `sluice promote` goes on" in engine.preview().out
    with engine.load() as load:
        result = engine.up()
        assert result.ok, result.out
        assert (engine.at(25), engine.live, engine.serving()) == (True, "1", {"1", "2"})
        outputs = engine.outputs()
        held = outputs["held"]
        assert (held["release"], held["weight"]) == (engine.share.release, 25)
        assert f"{held['release']} is held at 25 % on test, unproven, until {held['until']}: `sluice promote` goes on" in result.out
        assert outputs["marks"]["release"] == outputs["live"]["id"]
        assert [line.split('"')[3][0] for line in outputs["proven"]] == ["1"]

        assert judged(engine)
        status = told(engine, "status")
        assert (status["held"], status["watched"]["by"], status["watched"]["keeper"]) == (held, "keeper", True)
        assert (
            f"'{held['release']}' is held at 25 % since {held['since']}, until {held['until']}: `sluice promote`"
            in sluice(engine, "status").out
        )

        weights = {25}
        with engine.updating() as update:
            while update.poll() is None:
                weights.add(engine.share.weight)
                time.sleep(0.05)
        assert update.returncode == 0
        assert (weights, engine.outputs()["held"], engine.live) == ({25}, held, "1")
        assert judged(engine)

        refused = sluice(engine, "promote", "--until", "25", "--yes")
        assert (refused.ok, "is held at 25 % already: --until has to be above that, and is 25" in refused.out) == (False, True)
        handle = os.open(engine.folder / f"Pulumi.{engine.stack}.yaml", os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX)
        twice = sluice(engine, "promote", "--until", "50", "--yes")
        os.close(handle)
        assert (twice.code, "error: another `sluice` works on 'test' from this folder" in twice.out) == (1, True)
        assert "until: 25\n" in (engine.folder / f"Pulumi.{engine.stack}.yaml").read_text()
        promoted = sluice(engine, "promote", "--yes")
        assert promoted.ok, promoted.out
        assert "  pulumi config set --path sluice:rollout.until 100 --stack test" in promoted.out

    assert (engine.live, engine.serving(), engine.outputs()["held"]) == ("2", {"2"}, {})
    assert load.tally.failed == 0
    assert ended(engine) == ""
    nothing = sluice(engine, "promote", "--yes")
    assert (nothing.ok, "nothing is held on 'test': nothing was touched" in nothing.out) == (False, True)


def test_promoted_step_by_step(engine: Engine) -> None:
    """A promotion may end on the way again, which is another hold."""
    given_held(engine)
    before = engine.outputs()["held"]
    with engine.load():
        assert sluice(engine, "promote", "--until", "50", "--yes").ok
    held = engine.outputs()["held"]
    assert (engine.at(50), held["weight"], engine.live) == (True, 50, "1")
    assert held["since"] > before["since"]
    assert judged(engine)


def test_a_hold_ends(engine: Engine) -> None:
    """A hold that is over takes the traffic back with nothing run; status says why, and the next update begins at the first step."""
    given_held(engine, hold="4s")
    engine.wait(lambda: engine.share.weight == 0, 10)
    engine.wait(lambda: ended(engine) != "", 5)
    assert (engine.serving(), engine.live) == ({"1"}, "1")
    assert "failed at 25 %: the hold of 4s at 25 % is over; weight 0, " in ended(engine)
    assert "the hold of 4s at 25 % is over" in sluice(engine, "status").out

    engine.rollout(until=100)
    with engine.load():
        with engine.updating() as update:
            engine.wait(lambda: engine.at(10))
        assert update.returncode == 0
    assert (engine.live, engine.outputs()["held"]) == ("2", {})


def test_a_version_goes_bad_while_held(engine: Engine) -> None:
    """Hours after its update, a version that begins to fail under load goes back, by the canary's own judge, without a dropped request."""
    given_held(engine)
    with engine.load() as load:
        engine.wait(lambda: judged(engine), 5)
        engine.fault.touch()
        engine.wait(lambda: engine.share.weight == 0, 15)
        assert engine.serving() == {"1"}
    assert load.tally.failed == 0
    engine.wait(lambda: "failed at 25 %: web: error rate" in ended(engine), 5)
    report = sluice(engine, "report", "2", "--markdown").out
    assert re.search(r"\n2-\w+ failed at 'canary', and all traffic was back on what was live at [\d:]+\.\n", report), report
    assert re.search(r"\n\| canary at 25 % \|.*\n.*\n(\|.*\n)*\| web: error rate \|.*\| failed \|\n", report), report
    engine.release("1")
    back = engine.up()
    assert back.ok, back.out
    assert (engine.outputs()["held"], [name for name in engine.programs() if "@2-" in name]) == ({}, [])


def test_another_release_while_held(engine: Engine) -> None:
    """Another release takes the traffic from the one that is held before anything of its own starts."""
    given_held(engine)
    engine.rollout(until=100)
    engine.release("3", web={"CRASH": "it never starts"})
    assert not engine.up().ok
    assert (engine.share.weight, engine.serving(), split(engine).seen().lease) == (0, {"1"}, None)
    engine.release("3")
    with engine.load():
        assert engine.up().ok
    assert (engine.live, ended(engine)) == ("3", "")
    assert not [name for name in engine.programs() if "@2-" in name]


def test_an_abort_while_held(engine: Engine) -> None:
    """An abort takes the traffic and the lease from what is held, and config goes back with it."""
    given_held(engine)
    aborted = sluice(engine, "abort")
    assert aborted.ok, aborted.out
    assert (engine.share.weight, engine.serving(), split(engine).seen().lease) == (0, {"1"}, None)
    assert told(engine, "status")["held"] is None
    assert (engine.live, ended(engine)) == ("1", "")


def test_the_keeper_is_killed_while_held(engine: Engine) -> None:
    """Its supervisor starts it again, and it goes on from its plan: the weight stays, and a failure still takes it back."""
    given_held(engine)
    before = keeper(engine)
    assert before
    os.kill(before, signal.SIGKILL)
    engine.wait(lambda: keeper(engine) not in (None, before), 15)
    time.sleep(1)
    assert engine.at(25)
    with engine.load():
        engine.wait(lambda: judged(engine), 15)
        engine.fault.touch()
        engine.wait(lambda: engine.share.weight == 0, 15)
        engine.wait(lambda: "web: error rate" in ended(engine), 5)


def test_the_plan_is_lost_while_held(engine: Engine) -> None:
    """A plan that nobody can read takes the traffic back."""
    given_held(engine)
    file.path(engine.root / "front").write_text("{")
    engine.wait(lambda: engine.share.weight == 0, 5)
    assert engine.serving() == {"1"}


WHO = [("cli",), ("provider",), ("cli", "provider"), ("cli", "provider", "keeper"), ("provider", "keeper")]


@pytest.mark.parametrize("who", WHO, ids="+".join)
def test_killed_at_25(engine: Engine, who: tuple[str, ...]) -> None:
    """Whoever dies at the 25 % step, with nothing run afterwards the weight is 0 within the heartbeat, and the live version serves."""
    given_live(engine)
    engine.rollout(heartbeat=f"{HEARTBEAT:g}s", ladder=[{"weight": 10, "soak": "500ms", "samples": 10}, {"weight": 25, "soak": "60s"}, 100])
    engine.release("2")
    with engine.load() as load, engine.updating() as update:
        engine.wait(lambda: engine.at(25))
        victims = pids(engine, update, who)
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        engine.wait(lambda: engine.share.weight == 0, HEARTBEAT + 10)
        took = time.monotonic() - killed
        assert engine.serving() == {"1"}
    print(f"killed {'+'.join(who)}: weight 0 after {took:.2f} s of {HEARTBEAT:g} s")
    assert took < HEARTBEAT
    assert load.tally.failed == 0
    assert engine.live == "1"
    assert split(engine).seen().lease is None


def test_the_keeper_alone_is_killed(engine: Engine) -> None:
    """A deployer that is at work needs no keeper: its release goes on and is proven, and the keeper is back by then."""
    given_live(engine)
    engine.release("2")
    with engine.load() as load:
        with engine.updating() as update:
            engine.wait(lambda: engine.at(25))
            before = keeper(engine)
            assert before
            os.kill(before, signal.SIGKILL)
        assert update.returncode == 0
    assert (engine.live, engine.serving(), load.tally.failed) == ("2", {"2"}, 0)
    engine.wait(lambda: keeper(engine) not in (None, before), 10)
    assert engine.up("--expect-no-changes").ok


def pids(engine: Engine, update: subprocess.Popen[bytes], who: tuple[str, ...]) -> list[int]:
    """Return whom to kill: all of a part's processes at once, the keeper first."""
    known = {"cli": [update.pid], "provider": [one.pid for one in engine.providers(update)], "keeper": [keeper(engine)]}
    found = [pid for part in ("keeper", "provider", "cli") if part in who for pid in known[part]]
    assert all(found)
    assert len(found) >= len(who)
    return [pid for pid in found if pid]
