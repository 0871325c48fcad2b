"""`sluice repair` on a stack of the real engine: rows come back while a running service is paused by its flag."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from sluice.core.journal import Happened
from sluice.core.moment import Moment
from sluice.systems import journal, page
from tests.fixtures.engine import Engine, checkout
from tests.fixtures.sluice import SLUICE, sluice
from tests.test_engine_consumer import OFF, QUIET, secret

pytestmark = [pytest.mark.engine, pytest.mark.embedded]
SPOIL = "update experiences set summary = '' where id <= 50; delete from experiences where id = 60"
SPOILED = "select count(*) from experiences where summary = '' or id = 60"
ASKED = ("repair", "postgres", "--table", "experiences", "--pause", "UGC_ANALYSIS=off")
# What must hold once the rows are back.
WHOLE = ("--verify", "select id from experiences where summary = ''", "--verify", "select count(*) = 200 from experiences")


@pytest.fixture(scope="module")
def redcube() -> Iterator[Engine]:
    """Return redcube, live, with both of its databases saved."""
    one = Engine(checkout(), stack="staging")
    one.rollout(**QUIET, **OFF, backup={"when": "always"})
    one.release("1.1.0")
    assert one.up().ok
    one.configure("sluice:release", {"version": "1.1.0", "schema": {"redcube_users": "0001"}, "flags": {"UGC_ANALYSIS": True}})
    assert one.up().ok
    yield one
    one.close()


def database(redcube: Engine) -> dict[str, Any]:
    """Return how the content service's database is reached."""
    passfile = next((redcube.root / "secrets").glob("*.pgpass"))
    return {**redcube.outputs()["databases"]["postgres"], "user": "sluice", "passfile": str(passfile)}


def somebody(redcube: Engine, name: str) -> httpx.Client:
    """Return somebody who is logged in."""
    client = httpx.Client(base_url=redcube.url, timeout=30)
    who = {"email": f"{name}@example.com", "password": "Test-12345", "confirmPassword": "Test-12345"}
    assert client.post("/api/auth/register", json=who).is_success
    assert client.post("/api/auth/login", json={key: who[key] for key in ("email", "password")}).is_success
    return client


def analyzed(client: httpx.Client) -> int:
    """Return how the content service answers to a text: 404 while its analysis is paused."""
    return client.post("/api/content/analyze-single/text", json={"text": "a few words"}).status_code


def test_repair(redcube: Engine):
    """What is spoiled is shown, and brought back while the service is paused; the first answer after that is as before."""
    client, where = somebody(redcube, "ada"), database(redcube)
    assert analyzed(client) == 200
    with psycopg.connect(**where, autocommit=True) as connection:
        connection.execute(SPOIL)

        shown = sluice(redcube, *ASKED, *WHOLE, "--dry-run")
        assert shown.ok, shown.out
        assert "  table public.experiences: 1 rows come back, 50 are changed back, 0 are not in the backup and kept\n" in shown.out
        assert "  before: check 'select id from experiences where summary = ''': found 1\n" in shown.out
        assert analyzed(client) == 200
        nobody = sluice(redcube, *ASKED)
        assert nobody.out.endswith("error: nobody is here to say yes: add --yes; nothing was touched\n")

        # Somebody's work is under way, so that the pause can be seen.
        with psycopg.connect(**where) as working:
            working.execute("select count(*) from experiences")
            with repairing(redcube, *ASKED, *WHOLE, "--yes") as child:
                redcube.wait(lambda: analyzed(client) == 404)
                row = connection.execute("select state, was from sluice_history.repair").fetchone()
                assert (child.poll(), row) == (None, ("begun", True))
                working.rollback()
        assert child.returncode == 0, (redcube.place / "up.log").read_text()
        said = (redcube.place / "up.log").read_text()
        assert said.endswith("'UGC_ANALYSIS' is on again\n'postgres' is repaired\n")
        assert secret(redcube) not in said + shown.out
        assert analyzed(client) == 200
        assert connection.execute("select count(*), min(length(summary)) > 0 from experiences").fetchone() == (200, True)
        assert connection.execute(SPOILED).fetchone() == (1,)
    asked, came = (event for event in journal.read(Path(redcube.outputs()["journal"]))[0] if event.moment is Moment.REPAIR)
    assert asked.text == f"rows of experiences, from backup {asked.figures['backup']}, while 'UGC_ANALYSIS' is off"
    assert (asked.event, asked.release, asked.run) == (Happened.ASKED, redcube.outputs()["live"]["id"], "")
    assert (asked.figures["database"], asked.figures["parts"][0]["table"], len(asked.figures["verify"])) == ("postgres", "experiences", 2)
    did = came.figures["lines"]
    assert (came.event, did[0], did) == (
        Happened.PASSED,
        "'UGC_ANALYSIS' is off for every version that runs",
        said.splitlines()[-1 - len(did) : -1],
    )
    report = sluice(redcube, "report", "--markdown").out
    assert f"asked for repair: {page.escaped(asked.text)}; passed: {page.escaped(came.text)}\n" in report
    again = sluice(redcube, *ASKED, *WHOLE, "--yes")
    assert (again.ok, again.out.splitlines()[-1]) == (True, "these rows are as the backup has them: nothing is to be done")


def test_a_repair_that_does_not_hold(redcube: Engine):
    """A verify that fails leaves the rows and the pause, and says both with the next command; `--resume` lets go."""
    client, where = somebody(redcube, "bob"), database(redcube)
    with psycopg.connect(**where, autocommit=True) as connection:
        connection.execute(SPOIL)
        failed = sluice(redcube, *ASKED, "--verify", "select id from experiences where id = 60", "--yes")
        assert failed.code == 1
        last = failed.out.splitlines()[-1]
        assert last.startswith(
            "error: check 'select id from experiences where id = 60': found 60; no row was changed, and 'UGC_ANALYSIS' is off, "
        )
        assert last.endswith("; or let go as it is: sluice repair postgres --resume --stack staging")
        assert connection.execute(SPOILED).fetchone() == (50,)
        assert analyzed(client) == 404
        told = [event for event in journal.read(Path(redcube.outputs()["journal"]))[0] if event.moment is Moment.REPAIR]
        assert (told[-1].event, f"error: {told[-1].text}") == (Happened.FAILED, last)
        freed = sluice(redcube, "repair", "postgres", "--resume")
        assert freed.out == "'UGC_ANALYSIS' is on again\nrepair 2 is given up: no row was changed\n"
        assert analyzed(client) == 200
    # An update has nothing to put back.
    assert json.loads((redcube.root / "flags.json").read_text()) == {"UGC_ANALYSIS": True}
    assert redcube.up().ok


def test_killed(redcube: Engine):
    """Killed while it waits, or as it is to write, a repair leaves the rows as they were and the pause; the same again goes on from there,
    whatever the dead one has left at work."""
    client, where = somebody(redcube, "cleo"), database(redcube)
    argv = [*ASKED, *WHOLE, "--yes"]
    with psycopg.connect(**where, autocommit=True) as connection:
        connection.execute(SPOIL)
        spoiled = connection.execute(SPOILED).fetchone()
        with psycopg.connect(**where) as working:
            working.execute("select count(*) from experiences")
            with repairing(redcube, *argv) as child:
                redcube.wait(lambda: analyzed(client) == 404)
                child.kill()
        left(connection, spoiled)
        with psycopg.connect(**where) as working:
            working.execute("select count(*) from experiences")
            with repairing(redcube, *argv) as child, psycopg.connect(**where) as blocking:
                redcube.wait(lambda: connection.execute(WAITING).fetchone())
                blocking.execute("lock table experiences in row exclusive mode")
                working.rollback()
                redcube.wait(lambda: connection.execute(BLOCKED).fetchone())
                child.kill()
        assert analyzed(client) == 404
        left(connection, spoiled)
        again = sluice(redcube, *argv)
        assert again.ok, again.out
        assert again.out.endswith("'UGC_ANALYSIS' is on again\n'postgres' is repaired\n")
        assert (connection.execute(SPOILED).fetchone(), analyzed(client)) == ((1,), 200)
        assert connection.execute("select count(*) from sluice_history.repair where state in ('begun', 'mended')").fetchone() == (0,)


REPAIRS = "select pid from pg_stat_activity where application_name = 'sluice repair'"
WAITING, BLOCKED = f"{REPAIRS} and query like '%xact_start%'", f"{REPAIRS} and wait_event_type = 'Lock'"


def left(connection: psycopg.Connection[Any], spoiled: object) -> None:
    """Rows are as they were, and the repair is written down as begun."""
    assert connection.execute(SPOILED).fetchone() == spoiled
    assert connection.execute("select state from sluice_history.repair order by id desc limit 1").fetchone() == ("begun",)


@contextmanager
def repairing(redcube: Engine, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a repair in the background, which whoever leaves the block ends."""
    with (redcube.place / "up.log").open("wb") as log:
        streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
        child = subprocess.Popen([str(SLUICE), *words, "--stack", redcube.stack], cwd=redcube.folder, env=redcube.env, **streams)
        yield child
        child.wait(60)


def test_wrong_words(redcube: Engine):
    """What is not there is told before anything is touched."""
    unknown = sluice(redcube, "repair", "shop", "--table", "orders", "--yes")
    assert unknown.out == "error: no database 'shop' in 'staging': known are postgres, redcube_users\n"
    typo = sluice(redcube, "repair", "postgres", "--table", "experiences", "--pause", "UCG_ANALYSIS=off", "--dry-run")
    make = f"python -m sluice.systems.flags {redcube.root}/flags.json UCG_ANALYSIS on --stack staging"
    assert typo.out == (
        "error: no flag 'UCG_ANALYSIS' in 'staging': known are UGC_ANALYSIS; "
        f"one that services read and nobody has set yet is made known by: {make}\n"
    )
    missing = sluice(redcube, *ASKED, "--from", "B1", "--yes")
    assert missing.out.startswith("error: no verified backup of 'postgres' is called B1: there are 20")
