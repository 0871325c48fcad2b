"""Redcube goes back to an older revision: refused with what it would lose, allowed once, and done around the older code."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from sluice.core.record import Record
from tests.fixtures.engine import Engine, Result
from tests.test_engine_migrations import USERS, ask, backups, history, register, released, staged

pytestmark = [pytest.mark.engine, pytest.mark.embedded]
MARK = {"0002_mark.sql": "alter table users add column mark text;", "0002_mark.down.sql": "alter table users drop column mark;"}


@pytest.fixture(scope="module")
def redcube() -> Iterator[Engine]:
    """Redcube 1.7.0, whose contract has dropped when sessions began; 1.1.0 is warm, and one user is logged in twice."""
    with staged() as engine:
        assert released(engine, "1.1.0", redcube_users="0001").ok
        register(engine, "ada@example.org")
        for _ in range(2):
            login(engine)
        last = released(engine, "1.7.0", redcube_users="0007")
        assert last.ok, last.out
        yield engine


def login(engine: Engine) -> None:
    body = {"email": "ada@example.org", "password": "secret-1"}
    httpx.post(f"{engine.url}/api/auth/login", json=body, timeout=30).raise_for_status()


def columns(engine: Engine, table: str) -> set[str]:
    query = f"select attname from pg_attribute where attrelid = '{table}'::regclass and attnum > 0 and not attisdropped"
    return {name for (name,) in ask(engine, USERS, query)}


def reasons(result: Result) -> list[str]:
    """Return what a refusal says under its headline; the last one ends in the command."""
    told = result.out.partition("Diagnostics:")[2].partition("Outputs:")[0]
    return [line.strip().removeprefix("- ") for line in told.splitlines() if line.strip().startswith("- ")]


def allow(engine: Engine, result: Result) -> None:
    """Run the command that a refusal prints, as it stands."""
    command = reasons(result)[-1].partition("runs: ")[2]
    subprocess.run(["bash", "-c", command], cwd=engine.folder, env=engine.env, check=True, capture_output=True)
    engine.config = yaml.safe_load((engine.folder / f"Pulumi.{engine.stack}.yaml").read_text())["config"]


def permissions(engine: Engine) -> Any:
    return engine.config["sluice:rollout"]["permissions"]


LOSS = (
    f"{USERS}: is at '0007', and what runs with '0001' does not run with '0007_session_begin'; "
    "going back from '0007_session_begin' loses 2 rows by its own count (select count(*) from sessions)"
)


def test_refused_with_counts(redcube: Engine):
    """The config of before is refused before anything is touched, with what it would lose; preview says it too, and the SQL."""
    before = [one.id for one in backups(redcube)]
    result = released(redcube, "1.1.0", redcube_users="0001")
    assert not result.ok
    why, next = reasons(result)
    assert why == LOSS
    assert re.match(r"nobody has allowed '1\.1\.0-[0-9a-f]{6}' to go back; whoever does, runs: pulumi config set-all --path ", next)
    assert history(redcube) == [("0001", "applied"), ("0007", "applied")]
    assert [one.id for one in backups(redcube)] == before
    assert redcube.serving("/api/content/health", count=5) == {"1.7.0"}
    said = redcube.preview().out
    assert LOSS in said
    assert "only if somebody allows it:" in said
    assert "alter table sessions add column created_at timestamptz;" in said


def test_allowed(redcube: Engine):
    """The command that the refusal prints allows it: saved, rehearsed, back before the older code starts, and the nonce is spent."""
    before = len(backups(redcube))
    allow(redcube, released(redcube, "1.1.0", redcube_users="0001"))
    result = redcube.up()
    assert result.ok, result.out
    assert history(redcube) == [("0001", "applied")]
    assert "created_at" in columns(redcube, "sessions")
    assert redcube.serving("/api/content/health", count=5) == {"1.1.0"}
    login(redcube)
    record = Record.parse(redcube.outputs()["proven"][0])
    assert record.approvals == [permissions(redcube)[0]["nonce"]]
    assert len(backups(redcube)) == before + 1
    assert record.backups == {USERS: backups(redcube)[0].id}
    assert "0007_session_begin: rehearsed back in" in redcube.run("stack", "export").out


def test_once(redcube: Engine):
    """Forward again its contract runs again, saved before; the permission is spent then, and one for another release is void."""
    assert released(redcube, "1.7.0", redcube_users="0007").ok
    assert history(redcube) == [("0001", "applied"), ("0007", "applied")]
    assert "(the nonce of its permission is spent)" in reasons(released(redcube, "1.1.0", redcube_users="0001"))[-1]
    other = reasons(released(redcube, "1.1.1", redcube_users="0001"))[-1]
    assert f"'{permissions(redcube)[0]['by']}' has allowed '{permissions(redcube)[0]['release']}'" in other
    assert history(redcube) == [("0001", "applied"), ("0007", "applied")]


def test_exactly(redcube: Engine):
    """Asked for exactly the older schema, an expand goes back once the newer code is gone, from a checkout that lacks its file."""
    allow(redcube, released(redcube, "1.1.0", redcube_users="0001"))
    assert redcube.up().ok
    folder = redcube.folder / "examples" / "redcube" / "migrations" / USERS
    for name, text in MARK.items():
        (folder / name).write_text(text)
    assert released(redcube, "1.1.1", redcube_users="0002").ok
    assert "mark" in columns(redcube, "users")
    for name in MARK:
        (folder / name).unlink()
    redcube.configure("sluice:release", {"version": "1.1.0", "schema": {USERS: "0001"}})
    said = redcube.preview().out
    assert f"{USERS} stays ahead of '0001' by 0002_mark, which the older version runs with" in said
    release = re.search(r"release (1\.1\.0-[0-9a-f]{6})", said)
    assert release
    given = {"release": release[1], "by": "ada", "nonce": "exactly", "downgrade": "exact"}
    redcube.rollout(permissions=[*permissions(redcube), given])
    said = redcube.preview().out
    assert "0002_mark goes back once the newer version is gone, reversible" in said
    result = redcube.up()
    assert result.ok, result.out
    assert history(redcube) == [("0001", "applied")]
    assert "mark" not in columns(redcube, "users")
    assert redcube.up("--expect-no-changes").ok


def test_killed_while_it_settled(redcube: Engine):
    """Killed between its contract and its record, a release is not gone back from by config alone: what is proven does not fit any more."""
    redcube.configure("sluice:release", {"version": "1.7.0", "schema": {USERS: "0007"}})
    with redcube.updating() as child:
        deadline = time.monotonic() + 120
        while ("0007", "applied") not in history(redcube) and time.monotonic() < deadline:
            time.sleep(0.01)
        os.killpg(child.pid, signal.SIGKILL)
    redcube.cancel()
    assert redcube.live == "1.1.0"
    why, next = reasons(released(redcube, "1.1.0", redcube_users="0001"))
    assert "the database has '0007_session_begin', newer than '0001'" in why
    assert next.startswith("write the sluice:release of that update back, and `pulumi up`")
    assert redcube.serving("/api/content/health", count=5) == {"1.7.0"}
    assert released(redcube, "1.7.0", redcube_users="0007").ok
    assert redcube.live == "1.7.0"
