"""What is in databases and beside them: half migrations, copies that were left, backups."""

from __future__ import annotations

import pytest

from sluice.core.backup.manifest import Backup, scratch
from sluice.core.diagnosis import data
from sluice.core.diagnosis.finding import MIB, State
from sluice.core.migration.row import State as Way
from sluice.core.restore.order import Aside, Restore
from sluice.core.store import Store
from tests.test_core_backup_manifest import drilled, manifest
from tests.test_core_migration_states import row

STORE = Store(host="db", user="app", dbname="shop")
FIRST, SECOND = "20260101T000000Z-aaaa", "20260102T000000Z-bbbb"
DIED, FAILED = "its deployer died", "it failed: as the server said"
NOW = 1_800_000_000.0


def saved(id: str, *, kept: bool = True) -> Backup:
    held = drilled().model_copy(update={"kept": kept, "scratch": scratch("shop", id)})
    return Backup(folder="/b", manifest=manifest(id=id, database="shop", made_at=NOW - 3600, size=MIB), drilled=held)


@pytest.mark.parametrize(
    ("kind", "state", "done", "doing", "busy", "told"),
    [
        ("whole", "running", 0, 0, True, ("ok", "running", "", "")),
        ("whole", "running", 0, 0, False, ("warning", "running, and nothing of it is there", DIED, "pulumi up")),
        ("whole", "failed", 0, 0, False, ("warning", "failed, and nothing of it is there", FAILED, "pulumi up")),
        ("count", "failed", 1, 0, False, ("problem", "'0001_one' is half applied (1 of 2 statements)", FAILED, "pulumi up")),
        ("count", "reverting", 1, 0, False, ("problem", "'0001_one' is half reverted (1 of 2 statements)", DIED, "pulumi up")),
    ],
)  # fmt: skip
def test_half(kind: str, state: Way, done: int, doing: int, busy: bool, told: tuple[str, str, str, str]):
    """What did not end is told with what is there of it and why; the next update goes on."""
    (one,) = data.migrations(STORE, [row(kind, state, done, doing)], revision="", wanted="", busy=busy)
    assert (one.state.value, one.seen, one.cause, one.next) == told


def test_doubt():
    """Where nobody can know whether a statement has happened, a person is told how to look and what to write."""
    (one,) = data.migrations(STORE, [row("unsafe", "running", 0, 1)], revision="", wanted="", busy=False)
    assert one.state is State.PROBLEM
    assert "may have happened before the crash: look whether it did" in one.cause
    query = "select id, state, done, total, doing, error from sluice_history.migration where id = "
    assert one.next.startswith(f"psql -h db -p 5432 -U app -d shop -c '{query}")


@pytest.mark.parametrize(
    ("revision", "wanted", "state", "line"),
    [
        ("0002", "0002", "ok", "migrations of 'shop': at '0002', 0 known, none half done"),
        ("0002", "", "ok", "migrations of 'shop': at '0002', 0 known, none half done"),
        ("", "", "ok", "migrations of 'shop': none"),
        ("", "0001", "warning", "migrations of 'shop': none has run, expected '0001', as config has it"),
        ("0003", "0002", "warning", "migrations of 'shop': at '0003', expected '0002', as config has it"),
    ],
)
def test_revision(revision: str, wanted: str, state: str, line: str):
    """A database that is not where config wants it has something pending, one way or the other."""
    (one,) = data.migrations(STORE, [], revision=revision, wanted=wanted, busy=False)
    assert one.state.value == state
    assert one.line.startswith(line)


def test_beside():
    """The newest copy is the restore point; older ones, rehearsals and what nobody knows are left over; what is another's is not."""
    point, old = scratch("shop", SECOND), scratch("shop", FIRST)
    aside, lost = "shop_aside_20260101t000000zcccc", "shop_aside_20260101t000000zdddd"
    names = dict.fromkeys(("shop", "postgres", point, old, f"{point}_trial", aside, lost, "shop_drill_mine", scratch("theirs", FIRST)), MIB)
    put = Aside(database="shop", name=aside, since=NOW - 60, size=MIB, backup=FIRST)
    found = data.beside(STORE, ["shop"], names, [saved(SECOND), saved(FIRST)], [put], NOW)
    assert [(one.what.split("'")[1], one.state.value, one.seen) for one in found] == [
        (aside, "ok", "put aside from 'shop' by a restore, 1 MiB, 1m ago"),
        (lost, "warning", "left over, 1 MiB"),
        (old, "warning", "left over, 1 MiB"),
        (point, "ok", "the restore point, 1 MiB"),
        (f"{point}_trial", "warning", "left over, 1 MiB"),
    ]
    assert [one.cause for one in found if one.state is State.WARNING] == [
        f"the deployer of {maker} was killed" for maker in ("a restore", "a drill", "a rehearsal")
    ]
    assert found[2].next == f"psql -h db -p 5432 -U app -d postgres -c 'drop database \"{old}\"'"
    (late,) = data.beside(STORE, ["shop"], {aside: MIB}, [], [put], NOW + 8 * 86400)
    assert (late.state, late.cause) == (State.WARNING, "it is kept until somebody drops it")


RESTORE = Restore(database="shop", nonce="n1", backup=FIRST, copy_=scratch("shop", FIRST), refused=True)
GOES = f"while 'shop' goes back to '{FIRST}' ('n1')"
DEAD = "its deployer died; the next update goes on with it, or puts back what it has changed where config no longer asks for it"
LEFT = f"{GOES}, expected a restore that ends: {DEAD}; run: pulumi up"
HAND = "refused, by default_transaction_read_only, expected taken: a person has set it: no restore is on its way; run: "
RESET = "psql -h db -p 5432 -U app -d postgres -c 'alter database \"shop\" reset default_transaction_read_only'"


@pytest.mark.parametrize(
    ("closed", "restores", "busy", "told"),
    [
        ([], [], [], []),
        (["another"], [], [], []),
        (["shop"], [RESTORE], ["shop"], [("ok", f"refused, {GOES}")]),
        (["shop"], [RESTORE], ["users"], [("problem", f"refused, {LEFT}")]),
        ([], [RESTORE], [], [("warning", f"taken, {LEFT}")]),
        (["shop"], [], ["shop"], [("warning", HAND + RESET)]),
    ],
)
def test_writes(closed: list[str], restores: list[Restore], busy: list[str], told: list[tuple[str, str]]):
    """A database that refuses writes is told, and who has left it so: a restore that died, or a person; and a restore that did not end."""
    found = data.writes(STORE, ["shop", "users"], closed, restores, busy)
    assert [(one.state.value, one.line) for one in found] == [(state, f"writes to 'shop': {line}") for state, line in told]


def test_backups():
    """Of each database the newest verified backup is told, and one that has none is; what cannot be read is told as it is."""
    unproved = saved(SECOND).model_copy(update={"drilled": None})
    found = data.backups(["shop", "users"], [unproved, saved(FIRST)], ["'/b/x' has no manifest.json"], "/b", NOW)
    assert [(one.state.value, one.what, one.seen) for one in found] == [
        ("ok", "backup of 'shop'", f"{FIRST}, 1 MiB, restored and compared, 1h old"),
        ("warning", "backup of 'users'", "none that was restored and compared"),
        ("warning", "backup", "'/b/x' has no manifest.json"),
    ]
    assert found[1].next == "sluice backup users"
