"""Going back with the real engine: history, plan, rollback, abort, and the plain commands that do the same."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest

from sluice.cli import ends
from sluice.core.journal import Happened
from sluice.systems import journal
from tests.fixtures.engine import Engine, checkout
from tests.fixtures.sluice import SLUICE, blocks, sluice, told

pytestmark = pytest.mark.engine

BAD = {"FAIL_RATE": "0.5"}


def three(engine: Engine) -> None:
    """Prove 1.0 and 1.1, and let 1.2 fail; between them what proves nothing."""
    engine.release("1.0", web={"A": "007"})
    assert engine.up().ok
    with engine.load():
        engine.release("1.1", web={"A": "008", "B": "true"})
        assert engine.up().ok
        engine.release("1.2", web=BAD)
        assert not engine.up().ok
    assert engine.run("refresh", "--yes", "--skip-preview").ok


def test_back(engine: Engine):
    """After a failed update the plan is the live release; after that the one before, byte for byte, without a failed request."""
    three(engine)
    kinds = [(row["kind"], row["outcome"], row["proved"] is not None, row["live"]) for row in told(engine, "history")]
    assert kinds == [
        ("refresh", "succeeded", False, False),
        ("update", "failed", False, False),
        ("update", "succeeded", True, True),
        ("update", "succeeded", True, False),
    ]

    first, second, third, _ = blocks(engine)
    made = told(engine, "plan")
    assert (made["action"], made["target"][:4], made["config"]) == ("code only", "1.1-", second)
    assert "was never live" in made["reasons"][0]
    assert sluice(engine, "rollback").out.endswith("error: nobody is here to say yes: add --yes; nothing was touched\n")
    assert sluice(engine, "rollback", "--dry-run").ok
    assert blocks(engine) == [first, second, third, third]

    # An import writes no entry, and takes nothing away.
    state = engine.run("stack", "export").out
    (engine.place / "state.json").write_text(state)
    assert engine.run("stack", "import", "--file", str(engine.place / "state.json")).ok
    assert told(engine, "plan") == made

    with engine.load() as load:
        begun = time.monotonic()
        back = sluice(engine, "rollback", "--to", "1.0", "--message", "as the test wants", "--yes")
        took = time.monotonic() - begun
        tally = load.stop()
    assert back.ok, back.out
    assert blocks(engine)[-1] == first
    assert (engine.live, engine.serving()) == ("1.0", {"1.0"})
    assert tally.failed == 0
    print(f"return: {took:.1f} s, {tally.text()}")

    status = told(engine, "status")
    assert (status["settled"], status["live"]["version"], status["pending"], status["locks"]) == (True, "1.0", [], [])
    assert set(status["traffic"]) == {"web /web/", "api /api/"}
    assert told(engine, "plan")["refusals"][0].startswith("'1.0-")

    then_written_down(engine)
    for command in told(engine, "plan", "--to", "1.1")["commands"]:
        assert subprocess.run(command, shell=True, cwd=engine.folder, env=engine.env, check=False).returncode == 0  # noqa: S602
    assert blocks(engine)[-1] == second
    assert engine.live == "1.1"
    by_hand(engine)


def by_hand(engine: Engine) -> None:
    """After a way back by plain Pulumi the next one has to name its release: the one that was left is never chosen."""
    engine.release("1.0", web={"A": "007"})
    assert engine.up().ok
    (why,) = told(engine, "plan")["refusals"]
    assert (
        why
        == f"'{told(engine, 'status')['live']['id']}' is live since somebody went back to it: to go back further, name a release with --to"
    )


def then_written_down(engine: Engine) -> None:
    """The journal has each release to its end, the failed one with both sides; an update that changes nothing adds no line."""
    path = Path(engine.outputs()["journal"])
    events, skipped = journal.read(path)
    runs = [[event for event in events if event.run == run] for run in dict.fromkeys(event.run for event in events if event.run)]
    assert ([run[0].release.partition("-")[0] for run in runs], skipped) == (["1.0", "1.1", "1.2", "1.0"], 0)
    ends = [[(one.moment.value, one.event.value) for one in run if one.event in (Happened.PASSED, Happened.FAILED)][-1] for run in runs]
    assert ends == [("record", "passed"), ("record", "passed"), ("canary", "failed"), ("record", "passed")]

    failed = runs[2]
    assert [event.event.value for event in failed][-5:] == ["looked", "judged", "shifted", "aborted", "failed"]
    rulings = {row["check"]: row for row in failed[-4].figures["verdicts"]}
    # Which of the checks speaks first is a matter of the load.
    assert "failed" in [row["outcome"] for row in rulings.values()]
    assert rulings["web: error rate"]["expected"] == "<= 5.0 %"
    sides = [side for event in failed if event.event is Happened.LOOKED for side in event.figures["sides"] if side["service"] == "web"]
    answered = {side: sum(one["requests"] for one in sides if one["side"] == side) for side in ("canary", "live")}
    assert 0 < answered["canary"] < answered["live"]
    assert sum(side["errors"] for side in sides if side["side"] == "live") == 0

    assert engine.up().ok
    assert journal.read(path)[0] == events

    failed_one = told(engine, "report", "1.2")
    assert (failed_one["came"], [(asked["what"], asked["why"]) for asked in failed_one["asked"]]) == (
        "failed",
        [("rollback", "as the test wants")],
    )
    assert sluice(engine, "report", "1.1", "--output", "page.html").out == "written: page.html\n"
    page = ElementTree.fromstring((engine.folder / "page.html").read_text().strip().removeprefix("<!doctype html>"))
    assert " ".join("".join(page.find(".//h1").itertext()).split()) == "1.1 gone back from"  # type: ignore[union-attr]


def test_killed(engine: Engine):
    """A killed update leaves no entry, a lock, and operations without an end: all are told, and the way back stays."""
    engine.release("1.0")
    assert engine.up().ok
    with engine.load():
        engine.release("1.1")
        with engine.updating() as child:
            engine.wait(lambda: engine.at(25))
            child.send_signal(signal.SIGKILL)
        engine.wait(lambda: engine.share.weight == 0)
    status = told(engine, "status")
    assert status["pending"] == ["toy-canary-ladder"]
    (lock,) = status["locks"]
    assert lock.endswith("and is dead: run `pulumi cancel --yes --stack test`")
    assert sluice(engine, "rollback", "--yes").out.splitlines()[-1].endswith("`pulumi cancel --yes --stack test`; nothing was touched")
    assert [row["live"] for row in told(engine, "history")] == [True]

    assert engine.cancel().ok
    back = sluice(engine, "rollback", "--yes")
    assert back.ok, back.out
    assert (engine.live, told(engine, "status")["pending"]) == ("1.0", [])


def test_torn(engine: Engine):
    """A CLI that is killed as it saves may leave its state whole and unreadable: the error ends with the command that helps."""
    engine.release("1.0")
    (torn,) = (engine.place / "state" / ".pulumi" / "stacks").rglob(f"{engine.stack}.json.attrs")
    torn.write_text("")
    assert not engine.preview().ok
    said = sluice(engine, "plan")
    assert said.code == 1
    why, _, command = said.out.strip().rpartition(": run ")
    assert why.endswith("failed to load checkpoint: EOF; it was killed as it saved, and the state is whole")
    assert command == f"`rm {torn}`"
    subprocess.run(command.strip("`"), shell=True, check=True)  # noqa: S602
    assert sluice(engine, "plan").out.endswith("\n  refused: nothing has been proven yet\n")


def test_abort(engine: Engine):
    """An abort takes the traffic from a running update at once, which fails; config names what is live again."""
    engine.release("1.0")
    assert engine.up().ok
    first = blocks(engine)[0]
    with engine.load() as load:
        engine.release("1.1")
        with engine.updating() as child:
            engine.wait(lambda: engine.at(25))
            aborted = sluice(engine, "abort", "--message", "too slow")
            assert engine.share.weight == 0
        tally = load.stop()
    assert aborted.ok, aborted.out
    assert aborted.out.startswith("all traffic is on what is proven\nconfig names '1.0-")
    assert child.returncode != 0
    assert "another deployment took over the traffic" in (engine.place / "up.log").read_text()
    assert tally.failed == 0
    assert engine.up().ok
    assert (engine.live, engine.serving(), blocks(engine)[-1]) == ("1.0", {"1.0"}, first)
    asked = [event for event in journal.read(Path(engine.outputs()["journal"]))[0] if event.event is Happened.ASKED]
    assert [(event.moment, event.release[:4], event.text) for event in asked] == [("abort", "1.1-", "too slow")]
    assert sluice(engine, "abort").out == "all traffic is on what is proven already\n"


def test_abort_before_the_canary(engine: Engine):
    """An abort reaches an update that has no traffic yet: it gets none, and fails; the next update of the same release is free."""
    engine.release("1.0")
    assert engine.up().ok
    engine.release("1.1")
    config = engine.config["sluice:release"]
    with engine.updating() as child:
        engine.wait(lambda: any("@1.1-" in name for name in engine.programs()))
        # It starts no further step meanwhile.
        os.kill(child.pid, signal.SIGSTOP)
        aborted = sluice(engine, "abort")
        os.kill(child.pid, signal.SIGCONT)
    assert aborted.out.startswith(f"all traffic is on what is proven already\nBUT pid {child.pid} of "), aborted.out
    told = (engine.place / "up.log").read_text()
    assert child.returncode != 0
    assert "Superseded: the traffic was taken back while this update was on its way (aborted by sluice abort): `pulumi up` begins" in told
    assert (engine.live, engine.serving()) == ("1.0", {"1.0"})
    engine.configure("sluice:release", config)
    with engine.load():
        again = engine.up()
    assert again.ok, again.out
    assert engine.live == "1.1"


def test_release(engine: Engine):
    """`release` sets the version and updates; when that fails, it goes back to what serves, once, and says so by its exit code."""
    engine.release("1.0")
    assert sluice(engine, "release", "1.0", "--yes").ok
    first = blocks(engine)[0]
    engine.configure("sluice:release", {"version": "1.0", "services": {"web": {"settings": {"CRASH": "no"}}}})
    failed = sluice(engine, "release", "1.1", "--yes")
    assert failed.code == ends.REVERTED, failed.out
    assert "code only: from '1.1-" in failed.out
    assert "and has the traffic: '1.1-" in failed.out
    assert (engine.live, blocks(engine)[-1], told(engine, "status")["settled"]) == ("1.0", first, True)


def test_first(engine: Engine):
    """Of a first release that fails there is nothing to go back to."""
    engine.release("1.0", web={"CRASH": "no"})
    failed = sluice(engine, "release", "1.0", "--yes")
    assert failed.code == ends.OPEN
    assert "refused: nothing has been proven yet" in failed.out
    assert "nothing is done by itself: there is no way back that could be taken" in failed.out


def test_two(engine: Engine):
    """Two releases at once: one is refused before it changes config, and the other one goes on; an abort gets through."""
    engine.release("1.0")
    assert engine.up().ok
    engine.rollout(ladder=[{"weight": 25, "soak": "45s", "samples": 10}, 100])
    with engine.load():
        engine.config["sluice:release"] = {"version": "1.1"}
        with began(engine, "release", "1.1", "--yes") as first:
            engine.wait(lambda: engine.at(25))
            second = sluice(engine, "release", "1.2", "--yes")
            assert second.code == 1
            why = "another `sluice` works on 'test' from this folder: wait for its end, or end it with `sluice abort`; nothing was touched"
            assert second.out == f"error: {why}\n"
            back = sluice(engine, "rollback", "--yes")
            assert back.out == second.out
            assert sluice(engine, "abort").ok
            assert first.wait(180) == ends.OPEN
    assert "nothing is done by itself: what failed is for a person to judge" in (engine.place / "up.log").read_text()
    assert engine.up().ok
    assert (engine.live, engine.serving()) == ("1.0", {"1.0"})


@contextmanager
def began(engine: Engine, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a verb in a session of its own; what it says is in up.log."""
    with (engine.place / "up.log").open("wb") as log:
        argv = [str(SLUICE), *words, "--stack", engine.stack]
        yield subprocess.Popen(argv, cwd=engine.folder, env=engine.env, stdout=log, stderr=log, start_new_session=True)


def test_interrupted(engine: Engine):
    """Ctrl-C in a running release takes the traffic back, waits for the engine's end, and leaves what is next to whoever pressed it."""
    engine.release("1.0")
    assert engine.up().ok
    with engine.load():
        engine.config["sluice:release"] = {"version": "1.1"}
        with began(engine, "release", "1.1", "--yes") as child:
            engine.wait(lambda: engine.at(25))
            os.killpg(child.pid, signal.SIGINT)
            assert child.wait(180) == ends.OPEN
        assert engine.share.weight == 0
    assert "nothing is done by itself: what failed is for a person to judge" in (engine.place / "up.log").read_text()
    assert sluice(engine, "rollback", "--yes").ok
    assert (engine.live, engine.serving()) == ("1.0", {"1.0"})


@pytest.mark.embedded
def test_migrations():
    """Across an expand code alone goes back, and the database stays; of a contract, which nobody undoes, the plan is told and not run."""
    engine = Engine(checkout(), "staging")
    users = "redcube_users"
    off = {name: {"off": True} for name in ("error_rate", "latency", "error_delta", "latency_delta", "connections")}
    engine.config = {"sluice:rollout": {"ladder": [100], "soak": "1s", "samples": 0, "checks": off}}
    try:
        engine.configure("sluice:release", {"version": "1.0.0"})
        assert engine.up().ok
        # Of a database without a row no backup is made.
        body = {"email": "ada@example.org", "password": "secret-1", "confirmPassword": "secret-1"}
        assert httpx.post(f"{engine.url}/api/auth/register", json=body, timeout=30).status_code == 200
        engine.configure("sluice:release", {"version": "1.1.0", "schema": {users: "0001"}})
        assert engine.up().ok
        made = told(engine, "plan")
        steps = {step["database"]: (step["action"], step["revision"], step["why"]) for step in made["steps"]}
        assert steps[users] == ("code only", "0001", "the release names no revision of it: it stays as it is")
        assert (made["action"], made["services"]["user-service"][1][:18]) == ("code only", "user-service@1.0.0")
        corrupt = told(engine, "plan", "--symptom", "corruption", "--to", "1.0.0")
        assert (corrupt["action"], corrupt["severity"]) == ("refuse", "P0")
        assert corrupt["refusals"] == ["postgres: data are corrupt, and no good backup is at no revision (`sluice backup --list` has all)"]
        restored = {step["database"]: step["action"] for step in corrupt["steps"]}
        assert restored == {"postgres": "refuse", users: "restore"}

        back = sluice(engine, "rollback", "--yes")
        assert back.ok, back.out
        assert engine.live == "1.0.0"
    finally:
        folder = engine.folder
        engine.close()
        shutil.rmtree(folder, ignore_errors=True)


def test_deadline(engine: Engine):
    """How much time a way back has is known to whoever looks, also after its update has failed, and no more once it is over."""
    engine.release("1.0", web={"FAIL_FILE": str(engine.fault)})
    assert engine.up().ok
    with engine.load():
        engine.release("1.1")
        assert engine.up().ok
        assert told(engine, "status")["deadline"] is None
        # Out of its window it climbs like any other, and is seen to fail.
        engine.rollout(window="0s")
        engine.fault.touch()
        back = sluice(engine, "rollback", "--to", "1.0", "--severity", "P1", "--yes")
    assert (back.code, "P1: 15m of 15m left" in back.out, engine.live) == (ends.OPEN, True, "1.1"), back.out
    due = told(engine, "status")["deadline"]
    assert (due["severity"], due["within"], 0 < due["left"] < 900) == ("P1", 900, True)
    assert f"  goes back; {due['text'].partition(':')[0]}: " in sluice(engine, "status").out
    (way,) = [one for one in json.loads(sluice(engine, "doctor", "--json").out) if one["what"] == "way back"]
    assert (way["state"], way["seen"].startswith("to '1.0-")) == ("ok", True)
    engine.fault.unlink()
    with engine.load():
        assert engine.up().ok
    assert (engine.live, told(engine, "status")["deadline"]) == ("1.0", None)
