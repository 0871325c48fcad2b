"""Marks with the real engine: a release that is live is looked at again by a plain `pulumi up`, and stays live whatever is found."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from sluice.core.record import Record
from sluice.systems.splits.envoy import EnvoySplit
from tests.fixtures.engine import Engine, Result
from tests.test_engine_migrations import ask, register, released, staged

pytestmark = [pytest.mark.engine, pytest.mark.embedded]
MARKS = [{"after": "1s", "window": "2s"}, {"after": "2s", "window": "1s"}, "30m"]


def names(marks: dict[str, Any]) -> list[str]:
    return [mark["name"] for mark in marks["due"]]


def given_live(engine: Engine) -> dict[str, Any]:
    """Given a release that is live, with two marks that are due and one that is not."""
    engine.rollout(marks=MARKS, patience="3s")
    engine.release("1", web={"FAIL_FILE": str(engine.fault)})
    assert engine.up().ok
    told: dict[str, Any] = engine.outputs()["marks"]
    assert (names(told), told["passed"]) == (["1s", "2s", "30m"], {})
    engine.wait(lambda: datetime.fromisoformat(told["due"][1]["due_at"]) < datetime.now(UTC))
    return told


def then_it_stays_live(engine: Engine, result: Result, told: dict[str, Any]) -> None:
    """The update has failed, in one line, and neither traffic nor outputs have changed."""
    assert not result.ok
    assert "Traceback" not in result.out
    line = result.errors[0]
    assert "GateFailed: mark of 1-" in line, line
    assert " at 1s, 2s: " in line, line
    assert "stays live and the mark stays due; there is no earlier release to go back to" in line
    assert (engine.live, engine.outputs()["marks"]) == ("1", told)
    assert engine.serving("/api/") == {"1"}


def test_marks(engine: Engine) -> None:
    """Marks that are due fail without traffic, though all else is mended, fail with a bad version, pass with a good one, then rest."""
    told = given_live(engine)

    assert "that are due: 1s (since " in engine.preview().out
    EnvoySplit(str(engine.root / "front"), "").take("astray", [])
    assert engine.serving("/api/") == {None}
    silent = engine.up()
    then_it_stays_live(engine, silent, told)
    assert "web: error rate: no data" in silent.errors[0], silent.out

    with engine.load():
        engine.fault.touch()
        bad = engine.up()
        then_it_stays_live(engine, bad, told)
        assert "web: error rate 100.0 % > 1.0 % (" in bad.errors[0], bad.out
        assert "[P1: investigate at once]" in bad.errors[0]
        engine.fault.unlink()
        good = engine.up()
    assert good.ok, good.out
    assert "Mark" in good.out
    assert "1 updated" in good.out
    after = engine.outputs()["marks"]
    assert (set(after["passed"]), names(after), after["next"]["name"]) == ({"1s", "2s"}, ["30m"], "30m")
    assert [line for line in after["seen"] if line.startswith("web: error rate 0.0 % <= 1.0 % (")], after["seen"]

    quiet = engine.up()
    assert quiet.ok
    assert "unchanged" in quiet.out, quiet.out
    assert "updated" not in quiet.out, quiet.out
    assert engine.outputs()["marks"] == after

    engine.release("2")
    with engine.load():
        new = engine.up()
    assert new.ok, new.out
    assert "marks: 1-" in new.out, new.out
    assert "has not passed 30m; once" in new.out, new.out
    outputs = engine.outputs()
    assert (outputs["live"]["version"], names(outputs["marks"]), outputs["marks"]["passed"]) == ("2", ["1s", "2s", "30m"], {})
    assert "seen" not in outputs["marks"]
    assert set(Record.parse(outputs["proven"][1]).marks) == {"1s", "2s"}


@pytest.fixture
def redcube() -> Iterator[Engine]:
    """Redcube 1.1.0 with its migration and one user, and one mark, with smoke tests, that is due; nobody else uses it."""
    mark = {"after": "1s", "window": "2s", "smoke": True}
    with staged(patience="5s", marks=[mark]) as engine:
        assert released(engine, "1.1.0", redcube_users="0001").ok
        register(engine, "ada@example.org")
        yield engine


def test_user_sync(redcube: Engine) -> None:
    """A user who is missing in the other database fails redcube's mark; once the sync is mended the next update passes it."""
    ask(redcube, "postgres", "delete from users where email = 'ada@example.org'")
    missing = redcube.up()
    assert not missing.ok
    assert "users missing in postgres 1 != 0 [P1: check the dblink connection, then: select user_sync_mend()]" in missing.errors[0], (
        missing.out
    )
    assert redcube.live == "1.1.0"

    ask(redcube, "redcube_users", "select user_sync_mend()")
    mended = redcube.up()
    assert mended.ok, mended.out
    assert list(redcube.outputs()["marks"]["passed"]) == ["1s"]
    assert "user-service: lines with a trace id 100.0 % >= 100.0 %" in redcube.run("stack", "export").out
    assert redcube.up("--expect-no-changes").ok
