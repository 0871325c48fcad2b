"""Canary truth, with the real engine: whatever is done to an update, a bad or unwatched version does not keep traffic."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import httpx
import pytest

from sluice.core.split import Route
from sluice.systems.splits.envoy import EnvoySplit
from tests.fixtures.engine import PROGRAM, QUICK, Engine

pytestmark = [pytest.mark.engine, pytest.mark.embedded]
BAD = {"FAIL_RATE": "0.4"}


def given_live(engine: Engine, version: str = "1") -> None:
    engine.release(version)
    assert engine.up().ok
    assert engine.live == version


def test_a_bad_version_stops_at_its_first_step(engine: Engine) -> None:
    """A version that fails requests ends the update with one clear line, weight 0 and the old version live; going back is green."""
    given_live(engine)
    engine.release("2", web=BAD)
    with engine.load() as load:
        result = engine.up()

    assert not result.ok
    assert any("GateFailed: canary of 2-" in line and "failed at 10 %: web: error rate" in line for line in result.errors), result.out
    assert "Traceback" not in result.out
    assert (load.tally.failed, engine.share.weight, engine.live) == (0, 0, "1")
    assert engine.serving() == {"1"}

    again = engine.up()
    assert not again.ok, "a failed canary runs again, and without load there is no evidence"
    assert engine.share.weight == 0

    engine.release("1")
    back = engine.up()
    assert back.ok, back.out
    assert "canary-ladder" not in back.out, "going back to what is live walks no ladder"
    assert engine.serving() == {"1"}
    assert engine.up().out.count("unchanged") == 1


@pytest.mark.parametrize("step", [10, 25, 50, 100])
def test_retry_after_a_failure_at_each_step(engine: Engine, step: int) -> None:
    """A version that goes bad at any step fails the update and goes to 0; once mended, the next `up` of the same release goes through."""
    given_live(engine)
    engine.rollout(ladder=[{**rung, "soak": "4s" if rung["weight"] == step else "500ms"} for rung in QUICK["ladder"]])
    engine.release("2", web={"FAIL_FILE": str(engine.fault)})
    with engine.load() as load:
        with engine.updating() as update:
            engine.wait(lambda: engine.at(step))
            engine.fault.touch()
        assert update.returncode != 0
        assert (engine.share.weight, engine.live) == (0, "1")
        assert engine.serving() == {"1"}
        engine.fault.unlink()
        assert engine.up().ok

    assert (engine.live, engine.serving()) == ("2", {"2"})
    assert load.tally.versions["2"] > 0


@pytest.mark.parametrize("step", [10, 50, 100])
def test_kill_of_the_cli(engine: Engine, step: int) -> None:
    """After `kill -9` of the CLI at a step the weight is 0 within a second or so; cancel and `up` finish the release."""
    given_live(engine)
    engine.rollout(ladder=[{**rung, "soak": "5s" if rung["weight"] == step else "500ms"} for rung in QUICK["ladder"]])
    engine.release("2")
    with engine.load() as load:
        with engine.updating() as update:
            engine.wait(lambda: engine.at(step))
            os.kill(update.pid, signal.SIGKILL)
            killed = time.monotonic()
        engine.wait(lambda: engine.at(0), 10)
        assert time.monotonic() - killed < 2
        assert engine.live == "1"
        assert engine.cancel().ok
        result = engine.up()
        assert result.ok, result.out

    assert (engine.live, engine.serving(), load.tally.failed) == ("2", {"2"}, 0)


def test_ctrl_c(engine: Engine) -> None:
    """The first Ctrl-C takes the traffic back; it does not wait for the ladder to end."""
    given_live(engine)
    engine.rollout(ladder=[{"weight": 10, "soak": "60s"}, 100])
    engine.release("2")
    with engine.load(), engine.updating() as update:
        engine.wait(lambda: engine.at(10))
        os.kill(update.pid, signal.SIGINT)
        engine.wait(lambda: engine.at(0), 5)

    assert update.returncode != 0
    assert engine.live == "1"


def test_both_killed(engine: Engine) -> None:
    """When the provider dies with the CLI nobody is left to go back; the next `up` of what is live does."""
    given_live(engine)
    engine.rollout(ladder=[{"weight": 10, "soak": "500ms", "samples": 10}, {"weight": 50, "soak": "30s"}, 100])
    engine.release("2")
    with engine.load():
        with engine.updating() as update:
            engine.wait(lambda: engine.at(50))
            engine.kill(update)
        assert engine.share.weight == 50
        engine.cancel()
        engine.release("1")
        back = engine.up()
        assert back.ok, back.out
        assert (engine.share.weight, engine.serving()) == (0, {"1"})


def test_refresh_and_up_change_no_weight(engine: Engine) -> None:
    """After a release a refresh, a preview and another `up` see nothing to do, and the splitter's file stays the same."""
    given_live(engine)
    engine.release("2")
    with engine.load():
        assert engine.up().ok
    assert engine.up().ok
    before = engine.share

    assert engine.run("refresh", "--yes", "--skip-preview", "--expect-no-changes").ok
    assert engine.run("preview", "--expect-no-changes").ok
    assert engine.run("up", "--yes", "--skip-preview", "--expect-no-changes").ok
    assert engine.share == before


def test_a_new_release_supersedes_one_that_failed(engine: Engine) -> None:
    """After a failed release another one begins from the proven version, and the failed one's processes end."""
    given_live(engine)
    engine.release("2", web=BAD)
    with engine.load():
        assert not engine.up().ok
        engine.release("3")
        result = engine.up()

    assert result.ok, result.out
    assert (engine.live, engine.serving(), engine.serving("/api/")) == ("3", {"3"}, {"3"})
    assert not [name for name in engine.programs() if "@2-" in name]


def test_a_new_release_takes_away_what_a_dead_one_left(engine: Engine) -> None:
    """Traffic that a killed release still has goes to 0 before the next release starts anything."""
    given_live(engine)
    engine.rollout(ladder=[{"weight": 10, "soak": "30s"}, 100])
    engine.release("2")
    with engine.load():
        with engine.updating() as update:
            engine.wait(lambda: engine.at(10))
            engine.kill(update)
        engine.cancel()
        engine.configure("sluice:rollout", QUICK)
        engine.release("3", web={"CRASH": "it never starts"})
        assert not engine.up().ok
        assert (engine.share.weight, engine.serving()) == (0, {"1"})


def test_first_deployment(engine: Engine) -> None:
    """A first deployment that is good is live behind its door; without one before it there is nothing to climb from."""
    engine.release("1")
    preview = engine.preview()
    assert preview.ok, preview.out
    assert "baseline: none, this is the first deployment" in preview.out
    assert engine.up().ok
    assert (engine.live, engine.serving(), engine.serving("/api/")) == ("1", {"1"}, {"1"})


def test_first_deployment_that_fails(engine: Engine) -> None:
    """A first version that does not start leaves a closed door, nothing proven, and no half-started program; the next one can come."""
    engine.release("1", web={"CRASH": "boom"})
    result = engine.up()

    assert not result.ok
    assert "boom" in result.out
    assert engine.live is None
    assert httpx.get(engine.url + "/web/").status_code == 503

    engine.release("1.0.1")
    assert engine.up().ok
    assert (engine.live, engine.serving()) == ("1.0.1", {"1.0.1"})


def test_one_of_two_services_changes(engine: Engine) -> None:
    """A configuration-only release of one service starts that one anew and leaves the other as it is."""
    given_live(engine)
    before = engine.programs()
    engine.release("1", web={"COLOUR": "green"})
    with engine.load() as load:
        result = engine.up()

    assert result.ok, result.out
    assert load.tally.failed == 0
    new = set(engine.programs()) - set(before)
    assert [name.split("-")[0] for name in new] == ["web@1"]


@pytest.fixture
def guarded() -> Iterator[Engine]:
    one = Engine(PROGRAM.parent / "guarded")
    yield one
    one.close()


def test_continue_on_error_cannot_delete_a_version_with_traffic(guarded: Engine) -> None:
    """`--continue-on-error` deletes what a failed gate protects; the guard refuses as long as the version has traffic."""
    guarded.configure("toy:declared", "yes")
    guarded.configure("toy:open", "yes")
    assert guarded.up().ok
    split = EnvoySplit(str(guarded.root / "front"), "", "front")
    split.take("r", [Route(service="web", prefix="/web/", live="web@1")])
    guarded.configure("toy:declared", "no")
    guarded.configure("toy:open", "no")

    result = guarded.up("--continue-on-error")
    assert not result.ok
    refusal = "version 'web@1' still has traffic, so it is not stopped: finish or abort its rollout with `pulumi up` first"
    assert any(refusal in line for line in result.errors), result.out
    assert guarded.programs() == ["web@1"]

    split.take("closed", [])
    guarded.configure("toy:open", "yes")
    assert guarded.up().ok
    assert guarded.programs() == []


def test_destroy_leaves_no_process(engine: Engine) -> None:
    """A destroy closes the doors first, then ends everything; nothing of the stack runs on."""
    given_live(engine)
    result = engine.run("destroy", "--yes", "--skip-preview")

    assert result.ok, result.out
    assert engine.processes() == []
