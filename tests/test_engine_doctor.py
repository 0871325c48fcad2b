"""A real stack with real trouble, each found with its cause and what to type next."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Thread
from typing import Any

import psycopg
import pytest

from sluice.core.update import creating
from sluice.runtimes.process.folder import Folder
from sluice.systems import process
from sluice.systems.supervisord import Supervisord
from tests.fixtures.engine import Engine
from tests.fixtures.shop import connect
from tests.fixtures.sluice import sluice

pytestmark = [pytest.mark.engine, pytest.mark.embedded]
PLANTED = "pl4nted-in-a-query"
LEFT = """
    insert into sluice_history.migration (id, name, sha256, phase, way, state, total, done, up, error) values ('0002', '0002_more',
    'x', 'expand', 'restore-only', 'failed', 2, 1, %s, 'canceling statement due to lock timeout')
"""
SCRIPT = "-- transaction: none\n-- way: restore-only\nalter table orders add column a int;\nalter table orders add column b int;\n"


def findings(engine: Engine, *words: str, code: int = 1) -> list[dict[str, str]]:
    """Return what doctor finds; its exit code is part of that."""
    found = sluice(engine, "doctor", "--json", *words)
    assert found.code == code, found.out
    result: list[dict[str, str]] = json.loads(found.out)
    return result


def told(found: list[dict[str, str]], what: str) -> dict[str, str]:
    (one,) = [each for each in found if each["what"].startswith(what)]
    return one


def quiet(found: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return what is wrong with the stack, whatever else this machine has to bear; a first deployment has saved nothing yet."""
    return [one for one in found if one["state"] != "ok" and one["area"] != "machine" and one["what"] != "backup of 'shop'"]


def test_well(shop: Engine):
    """A stack that is well has no finding against it: every system was asked, within two seconds or a few on a busy machine."""
    begun = time.monotonic()
    found = findings(shop, code=0)
    took = time.monotonic() - begun
    print(f"doctor: {took:.1f} s, {len(found)} findings")
    assert took < 15
    assert quiet(found) == []
    (name,) = shop.programs()
    whats = {one["what"] for one in found}
    assert {
        "memory",
        "ports",
        "clock",
        "lock",
        "release",
        "envoy",
        "keeper",
        "supervisord",
        "connections",
        name,
        "shop through the door",
    } <= whats
    assert told(found, "backup of 'shop'")["next"] == "sluice backup shop"
    text = sluice(shop, "doctor")
    assert text.ok
    assert re.search(r"^0 problems, (\d+ warnings?, )?\d+ ok, in \d+\.\d s$", text.out, re.MULTILINE), text.out


def test_never_deployed(engine: Engine):
    """A stack that was never deployed has nothing to be asked, and nothing is wrong with that; one that cannot be read is not known."""
    engine.release("1.0")
    found = findings(engine, code=0)
    assert told(found, "release")["seen"] == "nothing is proven yet"
    assert {one["area"] for one in found} == {"machine", "stack"}
    engine.env["PULUMI_BACKEND_URL"] = f"file://{engine.place / 'nowhere'}"
    lost = told(findings(engine), "stack")
    assert (lost["state"], lost["next"]) == ("unknown", "pulumi stack --stack test")


@contextmanager
def stuck(shop: Engine) -> Iterator[psycopg.Connection[Any]]:
    """Leave a transaction open on a table, and let a statement with a secret in it wait for that; an index fails, a migration stops."""
    with ExitStack() as stack:
        one, two, three = (stack.enter_context(connect(shop)) for _ in range(3))
        three.execute("insert into orders (item) values ('twin'), ('twin')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            three.execute("create unique index concurrently orders_item on orders (item)")
        three.execute(LEFT, [SCRIPT])
        one.execute("begin; lock table orders in access exclusive mode")
        waiting = Thread(target=lambda: two.execute(f"update orders set item = '{PLANTED}'"))
        waiting.start()
        time.sleep(1.5)
        yield one
        one.close()
        waiting.join()
        three.execute("drop index orders_item")
        three.execute("delete from sluice_history.migration where id = '0002'")


def test_database(shop: Engine):
    """A forgotten transaction and who waits for it, an invalid index, a half migration: each with its cause and a command that works."""
    (passfile,) = (shop.root / "secrets").glob("*.pgpass")
    password = passfile.read_text().strip().rpartition(":")[2]
    with stuck(shop) as forgotten:
        found = findings(shop, "--long", "1s")
        text = sluice(shop, "doctor", "--long", "1s").out
        idle, waits = told(found, "idle in transaction"), told(found, "long query")
        assert (idle["state"], "and others wait for its locks" in idle["seen"]) == ("problem", True)
        assert "neither committed nor rolled back" in idle["cause"]
        assert (waits["state"], waits["cause"].startswith("it waits for a lock of pid ")) == ("warning", True)
        assert "`update orders set item =...`" in waits["seen"]
        index = told(found, "index public.orders_item")
        assert (index["state"], "`create index concurrently` on public.orders failed" in index["cause"]) == ("problem", True)
        half = told(found, "migration '0002_more'")
        assert (half["state"], half["seen"]) == ("problem", "'0002_more' is half applied (1 of 2 statements)")
        assert half["cause"].startswith("it failed: canceling statement due to lock timeout")
        assert (PLANTED in text + json.dumps(found), password in text + json.dumps(found)) == (False, False)
        # What is told to be typed can be typed.
        done = subprocess.run(idle["next"], shell=True, env=shop.env, capture_output=True, text=True, check=False)  # noqa: S602
        assert (done.returncode, "t" in done.stdout) == (0, True), done.stderr
        with pytest.raises(psycopg.errors.AdminShutdown):
            forgotten.execute("select 1")


def test_services(shop: Engine):
    """A service that hangs, one that is gone with a stranger on its port, a process that nobody started: told apart, and mended by `up`."""
    (name,) = shop.programs()
    pid = process.owner(shop.root / "run" / f"{name}.pid")
    assert pid
    os.kill(pid, signal.SIGSTOP)
    try:
        hangs = findings(shop)
    finally:
        os.kill(pid, signal.SIGCONT)
    one = told(hangs, name)
    assert (one["state"], one["cause"]) == ("problem", "its process is there and does not answer as it should")
    assert one["next"] == f"tail -n 50 {shop.root / 'log' / name}.log"
    assert told(hangs, "shop through the door")["state"] == "problem"

    port = json.loads((shop.root / "run" / "ports.json").read_text())[name]
    Supervisord(Folder(shop.root).supervisor).remove(name, 10)
    with socket.create_server(("127.0.0.1", port)), subprocess.Popen(["sleep", "60"], cwd=shop.root / "log") as stray:
        try:
            found = findings(shop)
        finally:
            stray.kill()
    dead = told(found, name)
    assert (dead["state"], "has its port, so that it cannot start" in dead["cause"], dead["next"]) == ("problem", True, "pulumi up")
    taken = told(found, f"port {port}")
    assert (taken["next"], f"(pid {os.getpid()})" in taken["seen"]) == (f"ss -ltnp 'sport = :{port}'", True)
    assert told(found, f"program {name}")["cause"] == "supervisord has no such program"
    assert told(found, "processes")["next"] == f"kill {stray.pid}"

    assert shop.up().ok
    assert quiet(findings(shop, code=0)) == []


def test_disk(shop: Engine):
    """A disk with no room for the next backup is told with what is wanted, before a release finds out."""
    place = shop.root / "backups"
    place.mkdir(mode=0o700, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted, which takes root and CAP_SYS_ADMIN: {done.stderr.strip()}")
    try:
        disk = told(findings(shop), f"disk at '{place}' (backups)")
    finally:
        subprocess.run(["umount", str(place)], check=True)
    assert (disk["state"], disk["cause"]) == (
        "problem",
        "the next backup and its restore would not fit, and no migration starts without them",
    )
    assert disk["expected"].endswith(" for the next backup and its drill")
    assert disk["next"] == f"du -xh --max-depth=2 {place} | sort -h | tail"


def test_variables(shop: Engine):
    """A credential that config refers to and that is not here, and variables that an update would stumble over, are told by name."""
    shop.rollout(notify=[{"kind": "slack", "url": "env:NO_SUCH_HOOK"}])
    shop.env |= {"PULUMI_CONTINUE_ON_ERROR": "1", "SLUICE_HOME": f"{shop.home}-other"}
    try:
        found = findings(shop)
    finally:
        del shop.env["PULUMI_CONTINUE_ON_ERROR"]
        shop.env["SLUICE_HOME"] = str(shop.home)
        shop.rollout(notify=[])
    assert told(found, "credential 'env:NO_SUCH_HOOK'")["next"] == "export NO_SUCH_HOOK=..."
    assert told(found, "variable PULUMI_CONTINUE_ON_ERROR")["next"] == "unset PULUMI_CONTINUE_ON_ERROR"
    assert told(found, "variable SLUICE_HOME")["next"] == f"export SLUICE_HOME={shop.home}"


def test_killed(shop: Engine):
    """What a killed CLI leaves: its lock with the command that removes it, and operations of which nobody knows the end."""
    released = shop.config["sluice:release"]
    shop.configure("sluice:release", {**released, "version": "1.1.0"})
    shop.rollout(soak="30s")
    with shop.updating() as child:
        shop.wait(lambda: shop.at(100))
        busy = findings(shop, code=0)
        child.send_signal(signal.SIGKILL)
    assert told(busy, "release")["seen"].endswith("is being released")
    shop.wait(lambda: shop.share.weight == 0)
    found = findings(shop)
    lock = told(found, "lock")
    assert (lock["state"], lock["next"]) == ("problem", "pulumi cancel --yes --stack dev")
    assert told(found, "operations")["seen"] == "no end known of shop-canary-ladder"
    assert told(found, "release")["seen"].startswith("config names '1.1.0-")
    assert subprocess.run(lock["next"], shell=True, cwd=shop.folder, env=shop.env, check=False).returncode == 0  # noqa: S602
    shop.configure("sluice:release", released)
    shop.rollout(soak="1s")
    done = shop.up()
    assert done.ok, done.out
    assert quiet(findings(shop, code=0)) == []


def test_server_down(shop: Engine):
    """A dead database server is said once, with its cause; nothing about it is taken for well."""
    name = next(path.name for path in (shop.root / "postgres").iterdir())
    pid = process.owner(shop.root / "postgres" / name / "data" / "postmaster.pid")
    assert pid
    os.kill(pid, signal.SIGINT)
    shop.wait(lambda: process.owner(shop.root / "postgres" / name / "data" / "postmaster.pid") is None)
    found = findings(shop)
    (down,) = [one for one in found if one["area"] in ("database", "data") and one["state"] != "ok" and one["what"].startswith("server ")]
    assert (down["state"], down["cause"], down["next"]) == ("problem", "the server does not run", "pulumi up")
    assert not [one for one in found if one["what"].startswith(("connections", "indexes", "migrations"))]
    # What is on disk is told without it.
    listed = json.loads(sluice(shop, "backup", "--list", "--json").out)
    assert (listed["backups"], [one["state"] for one in listed["databases"]]) == ([], ["unknown"])
    assert shop.up().ok


def caught(engine: Engine, update: subprocess.Popen[bytes]) -> bool:
    """Stop the CLI, and let it go on unless it is creating something: while it stands still it can see no provider end, and write so."""
    update.send_signal(signal.SIGSTOP)
    try:
        if creating(engine.checkpoint()):
            return True
    except ValueError:
        # In the middle of writing.
        pass
    update.send_signal(signal.SIGCONT)
    return False


def test_remembered(engine: Engine):
    """Of an update that was killed as it created something, and of which all has been made since, the engine's memory is told with the
    command that clears it, which changes nothing else."""
    engine.release("1")
    with engine.updating() as child:
        engine.wait(lambda: list(engine.home.glob("*/conf.d/*@1-*.ini")))
        engine.wait(lambda: caught(engine, child))
        engine.kill(child)
    assert engine.cancel().ok
    again = engine.up()
    assert again.ok, again.out
    operations = told(findings(engine, code=0), "operations")
    assert (operations["state"], operations["next"].split()[:3]) == ("warning", ["pulumi", "refresh", "--clear-pending-creates"])
    assert operations["seen"].startswith("creations that were cut short: ")
    before = (engine.share, engine.programs())
    subprocess.run(operations["next"], shell=True, cwd=engine.folder, env=engine.env, check=True, capture_output=True)  # noqa: S602
    assert told(findings(engine, code=0), "operations")["seen"] == "none was cut short"
    assert (engine.share, engine.programs(), engine.live) == (*before, "1")
    assert engine.up().ok
