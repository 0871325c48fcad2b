"""Redcube's users go back to a backup as part of a release: once, by instruction, and never half."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from sluice.runtimes.process.folder import Folder
from tests.fixtures.engine import Engine, checkout
from tests.fixtures.sluice import sluice
from tests.test_engine_migrations import OFF, USERS, ask, backups, databases, history, register, released
from tests.test_engine_older import reasons

pytestmark = [pytest.mark.engine, pytest.mark.embedded]
ONLY = "-- phase: contract\n-- way: restore-only\nalter table sessions drop column created_at;"
OLD = {"version": "1.1.0", "schema": {USERS: "0001"}}


@pytest.fixture(scope="module")
def redcube() -> Iterator[Engine]:
    """Redcube 1.1.0 with Ada; then 1.2.0, saved before its migration, which only a restore takes back; since then there is Bob."""
    place = checkout()
    (place / "examples" / "redcube" / "migrations" / USERS / "0002_begun.sql").write_text(ONLY)
    engine = Engine(place, "staging")
    try:
        engine.config = {"sluice:rollout": {"ladder": [100], "soak": "1s", "samples": 0, "checks": OFF}}
        assert released(engine, "1.1.0", redcube_users="0001").ok
        register(engine, "ada@example.org")
        last = released(engine, "1.2.0", redcube_users="0002")
        assert last.ok, last.out
        register(engine, "bob@example.org")
        yield engine
    finally:
        engine.close()
        shutil.rmtree(place)


def emails(engine: Engine) -> list[str]:
    return [email.partition("@")[0] for (email,) in ask(engine, USERS, "select email from users order by id")]


def id(engine: Engine) -> str:
    """Return the id of the release that is configured: as preview shows it, or that of the live one."""
    found = re.search(r"release (1\.[0-9.]+-[0-9a-f]{6})", engine.preview().out)
    return found[1] if found else engine.outputs()["live"]["id"]


def instruct(engine: Engine, nonce: str, release: str, **more: Any) -> None:
    """Add an instruction to config, beside those that are there."""
    given = engine.config["sluice:rollout"].get("restore", [])
    engine.rollout(restore=[*given, {"release": release, "nonce": nonce, "database": USERS, **more}])


def restores(engine: Engine) -> list[tuple[Any, ...]]:
    """Return each order that was begun, and how far it has come."""
    # In another database of the same server.
    return maintenance(engine, "select nonce, state from sluice_restore order by place")


def maintenance(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    store = engine.outputs()["databases"][USERS] | {"dbname": "sluice_maintenance"}
    passfile = Folder(engine.root).passfile("redcube-database-server")
    with psycopg.connect(**store, user="sluice", passfile=str(passfile), autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


def asides(engine: Engine) -> set[str]:
    return {name for name in databases(engine) if "_aside_" in name}


def test_refused(redcube: Engine):
    """Without a restore there is no way back, and one that cannot be is told by preflight, all of it, before anything is touched."""
    redcube.configure("sluice:release", OLD)
    old = id(redcube)
    (why,) = reasons(redcube.up())
    assert why.startswith(f"{USERS}: '0002_begun' has no way back but a restore")
    instruct(redcube, "a", old, backup="20200101T000000Z-0000")
    instruct(redcube, "b", old, database="orders", backup="x")
    said = reasons(redcube.up())
    assert said == [
        f"'{USERS}' is to be restored from '20200101T000000Z-0000', and '{redcube.root / 'backups'}' has "
        f"{', '.join(one.id for one in backups(redcube))}",
        f"'orders' is to be restored, and this release has 'postgres', '{USERS}'",
    ]
    preview = redcube.preview().out
    assert all(one in preview for one in said)
    given = {"release": old, "by": "ada", "nonce": "p", "downgrade": "needed", "lossy": [f"{USERS}/0002"]}
    redcube.rollout(restore=[], permissions=[given])
    instruct(redcube, "c", old, backup=backups(redcube)[0].id)
    assert "restore or downgrade, never both" in reasons(redcube.up())[0]
    redcube.rollout(restore=[], permissions=[])
    assert (emails(redcube), asides(redcube)) == (["ada", "bob"], set())
    assert redcube.serving("/api/content/health", count=5) == {"1.2.0"}


def test_restored(redcube: Engine):
    """The instruction and the config of before: preview says what is lost, `up` brings rows and schema back, then the code; the database
    that was spoiled is kept, and a second `up` changes nothing."""
    redcube.configure("sluice:release", OLD)
    saved = backups(redcube)[0]
    instruct(redcube, "first", id(redcube), backup=saved.id)
    said = redcube.preview().out
    for line in (
        f"{USERS} goes back ('first') before this release starts: its code may not run with the database as it is now",
        "table public.users: at least 1 rows are lost, 2 now and 1 then",
        "not counted: rows changed since",
        f"by '{saved.drilled.scratch}', the copy that its drill has kept",
        "the schema is then at revision '0001'",
    ):
        assert line in said
    assert emails(redcube) == ["ada", "bob"], "preview touches nothing"
    result = redcube.up()
    assert result.ok, result.out
    print(*(line for line in result.out.splitlines() if line.strip().startswith(f"{USERS}: ")), sep="\n")
    assert "nobody could write for 0." in result.out
    assert (emails(redcube), history(redcube)) == (["ada"], [("0001", "applied")])
    assert (redcube.live, redcube.serving("/api/content/health", count=5)) == ("1.1.0", {"1.1.0"})
    (old,) = asides(redcube)
    assert f"'{old}' was put aside at " in result.out
    assert restores(redcube) == [("first", "swapped")]
    # The services are connected to what was restored.
    register(redcube, "cleo@example.org")
    assert emails(redcube) == ["ada", "cleo"]
    assert redcube.up("--expect-no-changes").ok


def test_never_again(redcube: Engine):
    """An instruction that comes back with its release is done: nothing is lost a second time."""
    assert released(redcube, "1.1.1", redcube_users="0001").ok
    redcube.configure("sluice:release", OLD)
    assert " goes back (" not in redcube.preview().out
    result = redcube.up()
    assert result.ok, result.out
    assert (emails(redcube), restores(redcube), len(asides(redcube))) == (["ada", "cleo"], [("first", "swapped")], 1)


def test_live(redcube: Engine):
    """The live release takes an instruction in an update of its own: first a backup, then back what was put aside, each once."""
    live = id(redcube)
    instruct(redcube, "second", live, backup=backups(redcube)[0].id, refuse=True)
    said = redcube.preview().out
    assert f"{USERS} goes back ('second') at once: nothing else of this release runs" in said
    assert "by a new database, restored and compared while the old one serves: about " in said
    result = redcube.up()
    assert result.ok, result.out
    assert f"{USERS}: writes to '{USERS}' are refused" in result.out
    assert (emails(redcube), len(asides(redcube))) == (["ada"], 2)
    assert redcube.up("--expect-no-changes").ok

    # The one that has Cleo, and not the one of 1.2.0.
    name = newest(redcube)
    wrong = next(one for one in asides(redcube) if one != name)
    instruct(redcube, "third", live, aside=wrong)
    (why,) = reasons(redcube.up())
    assert why == f"{USERS} is then at '0002', and what runs with '0001' does not run with '0002_begun': name a backup from before"
    given = redcube.config["sluice:rollout"]["restore"]
    redcube.rollout(restore=given[:-1])
    instruct(redcube, "third", live, aside=name)
    assert redcube.up().ok
    assert (emails(redcube), len(asides(redcube))) == (["ada", "cleo"], 2)
    assert redcube.up("--expect-no-changes").ok


def newest(engine: Engine) -> str:
    return max(asides(engine), key=lambda name: name.partition("_aside_")[2])


@pytest.mark.parametrize("moment", ["begun", "made", "swapped"])
def test_killed(redcube: Engine, moment: str):
    """Killed in a restore, the deployer leaves a database that is as before or wholly new, and open; `up` ends it, once."""
    before = emails(redcube)
    nonce = f"killed-{moment}"
    instruct(redcube, nonce, id(redcube), backup=backups(redcube)[0].id)
    reached = {
        "begun": f"select from sluice_restore where nonce = '{nonce}'",
        "made": f"select from sluice_restore r join pg_database d on d.datname = r.copy_ where nonce = '{nonce}'",
        "swapped": f"select from sluice_restore where nonce = '{nonce}' and state = 'swapped'",
    }[moment]
    with redcube.updating() as child:
        until(redcube, reached)
        os.killpg(child.pid, signal.SIGKILL)
    redcube.cancel()
    assert emails(redcube) in (before, ["ada"])
    result = redcube.up()
    assert result.ok, result.out
    assert emails(redcube) == ["ada"]
    assert [state for one, state in restores(redcube) if one == nonce] == ["swapped"]
    register(redcube, f"{moment}@example.org")
    assert redcube.up("--expect-no-changes").ok


def until(engine: Engine, reached: str) -> None:
    """Wait until the server has a row for that."""
    deadline = time.monotonic() + 60
    while not maintenance(engine, reached):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_given_up(redcube: Engine):
    """A restore of the live release is given up that was killed, with its hooks, after it had refused writes: doctor says so, and the next
    `up`, which is asked for nothing, lets writes in again, once."""
    before, given = emails(redcube), redcube.config["sluice:rollout"].get("restore", [])
    instruct(redcube, "given-up", id(redcube), backup=backups(redcube)[0].id, refuse=True)
    with redcube.updating() as child:
        until(redcube, "select from sluice_restore where nonce = 'given-up' and refused")
        redcube.kill(child)
    redcube.cancel()
    redcube.rollout(restore=given)
    assert ask(redcube, USERS, "show default_transaction_read_only") == [("on",)]
    (found,) = writes(redcube)
    assert (found["state"], found["next"]) == ("problem", "pulumi up")
    assert re.match(rf"refused, while '{USERS}' goes back to '.*' \('given-up'\)$", found["seen"])
    result = redcube.up()
    assert result.ok, result.out
    assert f"{USERS}: '{USERS}' takes writes again" in result.out
    register(redcube, "frank@example.org")
    assert (emails(redcube), writes(redcube)) == ([*before, "frank"], [])
    assert redcube.up("--expect-no-changes").ok


def writes(engine: Engine) -> list[dict[str, str]]:
    """Return what doctor says of a database that takes no writes."""
    found: list[dict[str, str]] = json.loads(sluice(engine, "doctor", "--json").out)
    return [one for one in found if one["what"] == f"writes to '{USERS}'"]


def test_code_first(redcube: Engine):
    """Where the older code runs with the database as it is, that has the traffic first, and then its data go back: what spoiled them
    writes nothing into what is restored. Its window is open: nothing climbs."""
    redcube.rollout(backup={"when": "always"}, restore=[])
    proven, revision = redcube.live, history(redcube)[-1][0]
    assert released(redcube, "1.3.0", redcube_users=revision).ok
    saved, before = backups(redcube)[0], emails(redcube)
    register(redcube, "eve@example.org")
    redcube.configure("sluice:release", {"version": proven, "schema": {USERS: revision}})
    instruct(redcube, "corrupt", id(redcube), backup=saved.id, refuse=True)
    said = redcube.preview().out
    assert f"{USERS} goes back ('corrupt') once this release has the traffic" in said
    assert "without a ladder: it is proven and still warm" in said
    result = redcube.up()
    assert result.ok, result.out
    lines = {turn: turns(redcube, turn) for turn in ("before", "after")}
    assert not any("goes back" in line for line in lines["before"])
    assert any(f"backup {saved.id}" in line for line in lines["after"])
    assert (emails(redcube), redcube.live) == (before, proven)
    assert redcube.up("--expect-no-changes").ok


def turns(engine: Engine, turn: str) -> list[str]:
    """Return what a release's restore said that has its turn before its code, or after it has the traffic."""
    resources = json.loads(engine.run("stack", "export").out)["deployment"]["resources"]
    (found,) = [one for one in resources if one["urn"].endswith(f"::redcube-restore-{turn}-swap")]
    lines: list[str] = found["outputs"]["lines"]
    return lines
