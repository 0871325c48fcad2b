"""A stack's gates asked, and its databases saved, without a release: as its program has them, and with nothing else changed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from sluice.systems import process
from tests.fixtures.engine import Engine
from tests.fixtures.shop import connect
from tests.fixtures.sluice import SLUICE, sluice

pytestmark = [pytest.mark.engine, pytest.mark.embedded]


def state(shop: Engine) -> tuple[Any, int]:
    deployment = json.loads(shop.run("stack", "export").out)["deployment"]
    return deployment["resources"], len(list((shop.place / "state" / ".pulumi" / "history").rglob("*.history.json")))


def asked(shop: Engine, *words: str) -> tuple[int, dict[str, Any]]:
    found = sluice(shop, "check", *words, "--json")
    return found.code, json.loads(found.out)


def test_check(shop: Engine):
    """A settled release's gates are asked as its program declares them, each with its exit code, and nothing changes."""
    before = state(shop)
    code, whole = asked(shop)
    assert (code, whole["outcome"], list(whole["gates"])) == (0, "passed", ["preflight", "health", "smoke"]), whole
    (health,) = whole["gates"]["health"]["verdicts"]
    assert health["text"].startswith("shop is well: 200 (http://127.0.0.1:")
    (smoke,) = whole["gates"]["smoke"]["verdicts"]
    assert smoke["text"] == "journey 'orders': 1 step"
    code, marked = asked(shop, "mark")
    assert (code, [one["check"] for one in marked["gates"]["mark"]["verdicts"]]) == (
        0, ["journey 'orders'", "shop is well", "shop: database connections"],
    ), marked  # fmt: skip
    assert state(shop) == before


def test_check_fails(shop: Engine):
    """What says no is exit code 1 with the command that asks the same; `--wait` goes on until it holds, and stops at its timeout."""
    (name,) = shop.programs()
    pid = process.owner(shop.root / "run" / f"{name}.pid")
    assert pid
    with connect(shop) as connection:
        connection.execute("alter table orders rename to gone")
        no = sluice(shop, "check", "smoke")
        connection.execute("alter table gone rename to orders")
    assert (no.code, no.out.splitlines()[-1]) == (1, "failed")
    os.kill(pid, signal.SIGSTOP)
    try:
        waited = sluice(shop, "check", "health", "--wait", "--timeout", "1s")
        assert (waited.code, waited.out.splitlines()[-1]) == (2, "errored")
        assert re.search(r"^ +curl -sS -i -X GET http://127.0.0.1:\d+/health$", waited.out, re.MULTILINE)
        with subprocess.Popen(
            [SLUICE, "check", "health", "--wait", "-s", "dev"], cwd=shop.folder, env=shop.env, stdout=subprocess.PIPE
        ) as child:
            time.sleep(6)
            os.kill(pid, signal.SIGCONT)
            assert child.wait(60) == 0
        os.kill(pid, signal.SIGSTOP)
        with subprocess.Popen(
            [SLUICE, "check", "health", "--wait", "-s", "dev"], cwd=shop.folder, env=shop.env, stderr=subprocess.PIPE
        ) as child:
            time.sleep(8)
            child.send_signal(signal.SIGINT)
            _, said = child.communicate(timeout=60)
        assert (child.returncode, said) == (130, b"error: told to stop: nothing was changed\n")
    finally:
        os.kill(pid, signal.SIGCONT)


def test_check_of_what_does_not_run(shop: Engine):
    """Of a version that config names and that does not run there is no evidence; the live one's smoke test still passes."""
    released = shop.config["sluice:release"]
    shop.configure("sluice:release", {**released, "version": "2.0.0"})
    try:
        code, whole = asked(shop)
    finally:
        shop.configure("sluice:release", released)
    assert (code, whole["outcome"], whole["gates"]["smoke"]["outcome"]) == (2, "inconclusive", "passed")
    (absent,) = whole["gates"]["health"]["verdicts"]
    assert absent["text"].endswith("does not run, so that nobody can ask it: `pulumi up` starts it")
    wrong = sluice(shop, "check", "health", "--wait", "--timeout", "soon")
    assert (wrong.code, wrong.out.startswith("error: --timeout soon: is not a duration")) == (2, True)


def listed(shop: Engine) -> dict[str, Any]:
    found = sluice(shop, "backup", "--list", "--json")
    assert found.ok, found.out
    result: dict[str, Any] = json.loads(found.out)
    return result


def test_backup(shop: Engine):
    """A backup is saved, restored beside the live one, compared, listed; retention is config's, and a damaged one is told."""
    made = sluice(shop, "backup", "shop")
    assert made.ok, made.out
    lines = made.out.splitlines()
    assert re.match(r"shop: saving \d+ MiB", lines[0])
    assert re.match(r"shop: restoring \d{8}T\d{6}Z-\w{4} beside it, to compare", lines[1])
    assert "restored and compared in " in lines[2]
    assert lines[-1].strip().endswith("-d shop -Fc -f shop.dump")
    for _ in range(2):
        assert sluice(shop, "backup").ok
    found = listed(shop)
    assert [one["verified_at"] is not None for one in found["backups"]] == [True, True]
    # None of them is a restore point: that is the last release's.
    assert [(one["copy"], one["needed_by"], one["revision"]) for one in found["backups"]] == [(None, [], "0001")] * 2
    assert sluice(shop, "backup", "--verify").out.count("as it was made") == 2
    dump = Path(found["backups"][0]["folder"]) / "dump.custom"
    dump = dump if dump.exists() else next(path for path in dump.parent.iterdir() if path.suffix not in (".json", ".sql"))
    dump.write_bytes(dump.read_bytes()[:-10])
    verified = sluice(shop, "backup", "--verify", "--json")
    assert verified.code == 1
    first, second = json.loads(verified.out)["backups"]
    assert (bool(first["problems"]), second["problems"]) == (True, [])
    wrong = sluice(shop, "backup", "shops")
    assert wrong.out == "error: no database 'shops' in 'dev': known are shop\n"


def test_backup_interrupted(shop: Engine):
    """Ctrl-C leaves the older backups, no part of a new one, and no copy."""
    before, names = listed(shop), databases(shop)
    with connect(shop) as connection:
        connection.execute("begin; lock table orders in access exclusive mode")
        argv = [SLUICE, "backup", "-s", "dev"]
        with subprocess.Popen(argv, cwd=shop.folder, env=shop.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
            assert child.stdout
            # The dump waits for the lock.
            assert child.stdout.readline().startswith("shop: saving ")
            time.sleep(1)
            child.send_signal(signal.SIGINT)
            _, said = child.communicate(timeout=60)
    assert (child.returncode, said) == (130, "error: told to stop: what was not whole yet is removed, older backups stay\n")
    assert (listed(shop), databases(shop)) == (before, names)
    assert not list((shop.root / "backups" / "shop").glob(".*"))


def _hears() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def databases(shop: Engine) -> set[str]:
    with connect(shop) as connection:
        return {name for (name,) in connection.execute("select datname from pg_database")}


def test_restore_point_stays(shop: Engine):
    """What the last release's drill has kept, and its backup, outlive backups that are made by hand."""
    released = shop.config["sluice:release"]
    (shop.folder / "migrations" / "shop" / "0002_total.sql").write_text("alter table orders add column total int;")
    shop.configure("sluice:release", {**released, "version": "1.2.0", "schema": {"shop": "0002"}})
    done = shop.up()
    assert done.ok, done.out
    (point,) = [one for one in listed(shop)["backups"] if one["copy"]]
    for _ in range(3):
        assert sluice(shop, "backup").ok
    found = listed(shop)["backups"]
    assert [(one["copy"], len(one["needed_by"])) for one in found if one["id"] == point["id"]] == [(point["copy"], 1)]
    assert next(one["line"] for one in listed(shop)["databases"]).startswith(f"database '{point['copy']}': the restore point")
