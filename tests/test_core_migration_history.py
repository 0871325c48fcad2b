"""From files and rows to steps and refusals: each state, crash point and next command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from sluice.core.migration.file import Migration, parse
from sluice.core.migration.history import Plan, basis, plan, revision
from sluice.core.migration.row import Row


def file(id: str, text: str = "select 1; select 2", down: str | None = "select -1; select -2") -> Migration:
    return parse(f"{id}_m", text, down)


def row(one: Migration, state: Any = "applied", done: int = 0, doing: int = 0, **more: Any) -> Row:
    texts = {name: getattr(one, name) for name in ("id", "name", "sha256", "phase", "way", "up", "down")}
    script = one.back if state == "reverting" and one.back else one.forward
    total = len(script.statements)
    return Row(**{**texts, "state": state, "total": total, "done": total if state == "applied" else done, "doing": doing, **more})


def steps(found: Plan) -> list[tuple[str, str, int]]:
    return [(step.action, step.migration.id, step.start) for step in found.steps]


def ways(files: list[Migration], rows: list[Row], target: str, phase: Any, **more: Any) -> tuple[list[Any], tuple[str, ...]]:
    found = plan(files, rows, target=target, phase=phase, **more)
    return steps(found), found.refusals


A, B, C, D = (file(id) for id in ("0001", "0002", "0003", "0004"))
CONTRACT = file("0003", "-- phase: contract\ndrop table x", None)
TAIL = file("0004", "-- phase: contract\ndrop table x")


def test_expand():
    """Pending files up to the target run in order, and a contract at the end waits for settle."""
    found = plan([TAIL, B, C, A], [row(A)], target="0004", phase="expand")
    assert (steps(found), found.refusals, found.notes) == ([("up", "0002", 0), ("up", "0003", 0)], (), ("waits for settle: 0004_m",))
    assert (found.before, found.target) == ("0001", "0004")
    assert steps(plan([A, B, C], [row(A)], target="0002", phase="expand")) == [("up", "0002", 0)]
    assert plan([A], [row(A)], target="0001", phase="expand") == Plan(before="0001", target="0001", basis=basis([row(A)]))


def test_contract_before_expand():
    """A contract in the way stops expand: it has to settle in a release of its own."""
    why = (
        "'0004_m' cannot expand before '0003_m', a contract, which waits until old code is gone: "
        "release '0003' first, and '0004' after it has settled"
    )
    assert ways([A, B, CONTRACT, D, file("0005")], [], "0005", "expand") == ([("up", "0001", 0), ("up", "0002", 0)], (why,))


def test_settle():
    """Settle applies contracts; an expand that has not run is refused."""
    assert ways([A, CONTRACT], [row(A)], "0003", "settle") == ([("up", "0003", 0)], ())
    why = "'0002_m' is an expand that has not run, so no new code can have proven itself on it: expand first"
    assert ways([A, B], [row(A)], "0002", "settle")[1] == (why,)


def test_ahead():
    """A newer database is fine for expand when the target's record says so, and only then; its files need not be here."""
    found = plan([A], [row(A), row(B), row(TAIL)], target="0001", phase="expand", compatible=True)
    notes = tuple(f"stays: '{id}_m' is newer than '0001', which is said to run with it" for id in ("0004", "0002"))
    assert (found.steps, found.refusals, found.notes) == ((), (), notes)
    why = "the database has '0002_m', newer than '0001', whose record does not say that it runs with it"
    next = "release a revision from '0002' on"
    assert ways([A], [row(A), row(B)], "0001", "expand") == ([], (f"{why}: {next}",))


def test_back():
    """Settle goes back, the last one first, with what the history holds."""
    assert ways([A], [row(A), row(B), row(C)], "0001", "settle") == ([("down", "0003", 0), ("down", "0002", 0)], ())
    assert ways([A], [row(A)], "", "settle") == ([("down", "0001", 0)], ())


def test_back_that_loses():
    """A lossy way back must be allowed by its id; one that is restore-only is never gone."""
    lossy = file("0002", "-- way: lossy\nselect 1")
    why = "going back from '0002_m' loses data: allow it by name ('0002'), or release a revision from '0002' on"
    assert ways([A], [row(A), row(lossy)], "0001", "settle") == ([], (why,))
    assert ways([A], [row(A), row(lossy)], "0001", "settle", lossy=["0002"]) == ([("down", "0002", 0)], ())
    last = "'0003_m' has no way back but a restore: release a revision from '0003' on, or restore a backup made before it"
    assert ways([A], [row(A), row(CONTRACT)], "0001", "settle", lossy=["0003"]) == ([], (last,))


# Around older code. UNDONE is a contract that can be taken back.
UNDONE = file("0003", "-- phase: contract\nselect 1")
LATER = file("0004", "-- phase: contract\nselect 1")


def both(rows: list[Row], downgrade: Any, target: str = "0001", **more: Any) -> list[Any]:
    return [ways([A], rows, target, phase, downgrade=downgrade, **more) for phase in ("expand", "settle")]


def test_older_code():
    """Contracts go back before the older code comes, with what the history holds; expands stay, or go once the newer code is gone."""
    rows = [row(A), row(B), row(UNDONE), row(LATER)]
    first = [("down", "0004", 0), ("down", "0003", 0)]
    early = ("'0004_m' is a contract, and goes back before the older code comes: expand first",)
    assert both(rows, "needed") == [(first, ()), ([], early)]
    assert both(rows, "exact") == [(first, ()), ([("down", "0002", 0)], early)]
    assert both(rows[:2], "needed") == [([], ()), ([], ())]
    assert both(rows[:2], "exact") == [([], ()), ([("down", "0002", 0)], ())]


def test_older_code_that_loses():
    """What the second phase could not do is refused in the first: what loses data, and what has no way back."""
    lossy, gone = file("0002", "-- way: lossy\nselect 1"), file("0002", down=None)
    why = "going back from '0002_m' loses data: allow it by name ('0002'), or release a revision from '0002' on"
    early, late = both([row(A), row(lossy), row(UNDONE)], "exact")
    assert early == ([("down", "0003", 0)], (why,))
    assert late[1][0] == why
    assert both([row(A), row(lossy), row(UNDONE)], "needed")[0] == ([("down", "0003", 0)], ())
    assert both([row(A), row(lossy), row(UNDONE)], "exact", lossy=["0002"])[0] == ([("down", "0003", 0)], ())
    why = "'0002_m' has no way back but a restore: release a revision from '0002' on, or restore a backup made before it"
    assert both([row(A), row(gone)], "exact") == [([], (why,)), ([], (why,))]


def test_older_code_in_two_releases():
    """A contract below an expand cannot go back in one release: the expand serves the code that still runs."""
    why = "'0003_m' goes back before the older code comes, and '0004_m' after it only once newer code is gone"
    next = "go back to exactly '0003' first, and to '0001' after that has settled"
    for downgrade in ("needed", "exact"):
        assert both([row(A), row(UNDONE), row(D)], downgrade)[0][1] == (f"{why}: {next}",)
    assert ways([A, UNDONE], [row(A), row(UNDONE), row(D)], "0003", "settle", downgrade="exact") == ([("down", "0004", 0)], ())


def test_older_code_beside_a_half():
    """Half of a file is finished first, also one that could stay; half of a way back goes on."""
    half = row(parse("0002_m", SAFE.up, SAFE.down), "failed", 1)
    why = "'0002_m' is half applied (1 of 2 statements), so there is no way back from it: release a revision from '0002' on, to finish it"
    for downgrade in ("needed", "exact"):
        assert both([row(A), half, row(UNDONE)], downgrade)[0] == ([("down", "0003", 0)], (why,))
    back = row(parse("0002_m", "-- phase: contract\n" + SAFE.up, SAFE.down), "reverting", 1)
    assert both([row(A), back], "needed")[0] == ([("down", "0002", 1)], ())
    # A transaction left nothing to undo.
    assert both([row(A), row(B, "running")], "exact") == [([], ()), ([], ())]


CHANGED = file("0001", "select 3")
REWORDED = file("0001", down="select -3")


@pytest.mark.parametrize(
    ("files", "rows", "why"),
    [
        (
            [CHANGED],
            [row(A)],
            f"'0001_m' has changed since it was applied, in '0001_m.sql' (SHA-256 {CHANGED.sha256[:12]}, applied {A.sha256[:12]}): "
            "restore the file, and put the change into a new one",
        ),
        (
            [REWORDED],
            [row(A)],
            f"'0001_m' has changed since it was applied, in '0001_m.down.sql' (SHA-256 {REWORDED.sha256[:12]}, applied {A.sha256[:12]}): "
            "restore the file, and put the change into a new one",
        ),
        ([parse("0001_n", A.up, A.down)], [row(A)], "'0001_m' was applied, and its file is named '0001_n' now: name it as it was"),
        ([A, B, C], [row(A), row(C)], "'0002_m' is pending, but '0003_m' after it is applied: give it a number above '0003'"),
        (
            [A, C],
            [row(A), row(B)],
            "the database has '0002_m', which is no file here and not newer than '0003': "
            "bring the file back, or release from a checkout that has it",
        ),
    ],
    ids=["changed", "way back changed", "renamed", "out of order", "unknown"],
)
@pytest.mark.parametrize("phase", ["expand", "settle"])
def test_another_history(files: list[Migration], rows: list[Row], why: str, phase: Any):
    """A history that is not the one of these files is refused, and nothing is planned."""
    assert ways(files, rows, files[-1].id, phase) == ([], (why,))


def test_unknown_target():
    """A target that nobody knows is refused."""
    why = "revision '0009' is neither a file nor in the database (files: 0001, 0002): check the release"
    assert ways([A, B], [], "0009", "expand") == ([], (why,))


# Crashes. SAFE can repeat what stands alone, UNSAFE cannot; the second statement of both commits with its count.
SAFE = file(
    "0001",
    "-- transaction: none\ncreate index concurrently if not exists i on a (b); insert into a values (1)",
    "-- transaction: none\ndrop index concurrently if exists i; select 1",
)
UNSAFE = file("0001", SAFE.up.replace("if not exists ", ""), SAFE.down.replace("if exists ", ""))
FILL = file("0001", "-- backfill: batch=5\nupdate a set b = 1 where b in (select b from a limit :batch)", None)
FILES: Mapping[str, Migration] = {"whole": A, "safe": SAFE, "unsafe": UNSAFE, "fill": FILL}
LOOK = (
    "'0001_m' is half {} (0 of 2 statements), and statement 1 (line 2, '{}') may have happened before the crash: look whether it did; "
    "if not, run in psql: update sluice_history.migration set doing = 0 where id = '0001'; "
    "if so: update sluice_history.migration set doing = 0, done = 1 where id = '0001'; then `pulumi up`"
)
UNKNOWN = LOOK.format("applied", "create index concurrently i on a (b)")
UNKNOWN_BACK = LOOK.format("reverted", "drop index concurrently i")


@pytest.mark.parametrize("state", ["running", "failed"])
@pytest.mark.parametrize(
    ("kind", "done", "doing", "expected"),
    [
        ("whole", 0, 0, 0),
        ("safe", 0, 0, 0),
        ("safe", 0, 1, 0),
        ("safe", 1, 0, 1),
        ("safe", 2, 0, 2),
        ("unsafe", 0, 0, 0),
        ("unsafe", 0, 1, UNKNOWN),
        ("unsafe", 1, 0, 1),
        ("unsafe", 2, 0, 2),
        ("fill", 0, 0, 0),
        ("fill", 1, 0, 1),
    ],
)
def test_again(state: str, kind: str, done: int, doing: int, expected: int | str):
    """Up after a crash on the way up goes on behind what is done, and refuses what may have happened and cannot be repeated."""
    rows = [row(FILES[kind], state, done, doing)]
    wanted = ([("up", "0001", expected)], ()) if isinstance(expected, int) else ([], (expected,))
    assert ways([FILES[kind]], rows, "0001", "expand") == wanted


HALF = "'0001_m' is half applied ({} of {} statements), so there is no way back from it: release a revision from '0001' on, to finish it"


@pytest.mark.parametrize(
    ("kind", "done", "expected"),
    [
        ("whole", 0, ("clear", "0001", 0)),
        ("safe", 0, HALF.format(0, 2)),
        ("safe", 1, HALF.format(1, 2)),
        ("unsafe", 0, HALF.format(0, 2)),
        ("fill", 0, HALF.format(0, 1)),
    ],
)
@pytest.mark.parametrize("state", ["running", "failed"])
def test_back_from_a_crash(state: str, kind: str, done: int, expected: Any):
    """Settle to before a crash forgets what a transaction took back, and refuses to go back from half of a file."""
    wanted = ([], (expected,)) if isinstance(expected, str) else ([expected], ())
    assert ways([FILES[kind]], [row(FILES[kind], state, done)], "", "settle") == wanted


BACK = (
    "'0001_m' is half reverted ({} of 2 statements): "
    "finish going back first: release a revision before '0001' again, which goes on from there"
)


@pytest.mark.parametrize(
    ("kind", "done", "doing", "settle", "expand"),
    [
        ("whole", 0, 0, 0, "mark"),
        ("safe", 0, 0, 0, BACK.format(0)),
        ("safe", 0, 1, 0, BACK.format(0)),
        ("safe", 1, 0, 1, BACK.format(1)),
        ("unsafe", 0, 1, UNKNOWN_BACK, BACK.format(0)),
        ("unsafe", 1, 0, 1, BACK.format(1)),
    ],
)
def test_crash_on_the_way_back(kind: str, done: int, doing: int, settle: int | str, expand: str):
    """The way back goes on where it was; forward again is only possible when nothing of it happened."""
    rows = [row(FILES[kind], "reverting", done, doing)]
    wanted = ([("down", "0001", settle)], ()) if isinstance(settle, int) else ([], (settle,))
    assert ways([FILES[kind]], rows, "", "settle") == wanted
    for phase in ("expand", "settle"):
        forward = ([("mark", "0001", 0)], ()) if expand == "mark" else ([], (expand,))
        assert ways([FILES[kind]], rows, "0001", phase) == forward


def test_old_code_beside_a_crash():
    """A release that runs on a newer database runs beside a half of its expand, so a rollback of code is never held up by it."""
    half = parse("0002_m", SAFE.up, SAFE.down)
    assert ways([A], [row(A), row(half, "failed", 1)], "0001", "expand", compatible=True) == ([], ())
    why = "'0002_m' is half applied (1 of 2 statements), and newer than '0001': release a revision from '0002' on, to finish it"
    assert ways([A], [row(A), row(half, "failed", 1)], "0001", "expand") == ([], (why,))
    assert ways([A], [row(A), row(B, "running")], "0001", "expand") == ([], ())  # a transaction left nothing


def test_mended_file():
    """A failed file may be mended: all of it when it was a transaction, else only behind what is done."""
    assert ways([CHANGED], [row(A, "failed")], "0001", "expand") == ([("up", "0001", 0)], ())
    mended = file("0001", SAFE.up.replace("values (1)", "values (2)"), SAFE.down)
    assert ways([mended], [row(SAFE, "failed", 1)], "0001", "expand") == ([("up", "0001", 1)], ())
    other = file("0001", SAFE.up.replace(" i on", " j on"), SAFE.down)
    half = "'0001_m' is half applied (1 of 2 statements), and"
    why = f"{half} these have changed in the file since: restore them, and change only what follows"
    assert ways([other], [row(SAFE, "failed", 1)], "0001", "expand") == ([], (why,))
    whole = file("0001", "create table a (b int); insert into a values (1)")
    parts = file("0001", "-- transaction: none\n" + whole.up)
    why = f"{half} the file is one transaction now: put '-- transaction: none' back at its top"
    assert ways([whole], [row(parts, "failed", 1)], "0001", "expand") == ([], (why,))


def test_contract_after_a_crash():
    """A contract that settle could not finish is finished by the next settle."""
    contract = file("0002", "-- phase: contract\n-- transaction: none\ndrop index concurrently if exists i; select 1", None)
    assert ways([A, contract], [row(A), row(contract, "running", 0, 1)], "0002", "settle") == ([("up", "0002", 0)], ())


def test_revision():
    """The revision is the last one that stands, by number."""
    ten, nine = file("10"), file("9")
    assert revision([row(ten), row(nine)]) == "10"
    assert revision([row(nine), row(ten, "running")]) == "9"
    assert revision([]) == ""
