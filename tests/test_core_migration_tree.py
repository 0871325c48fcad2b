"""The way over an Alembic tree: every state of a database, and what may be done next."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.core.migration.alembic import Alembic
from sluice.core.migration.history import Plan
from sluice.core.migration.revision import Tree, tree
from sluice.core.migration.row import Row
from sluice.core.migration.tree import Known, plan, revision

SPEC = Alembic(folder="migrations")


def one(id: str, *revises: str, **more: Any) -> dict[str, Any]:
    rendered = {"up": {"sql": f"create table {id} (n int);", "unseen": ""}, "down": {"sql": f"drop table {id};", "unseen": ""}}
    said = {"phase": None, "way": None, "loses": None, "empty": False}
    return {"id": id, "revises": list(revises), "doc": "", "file": f"{id}.py", "source": id, "print": {}, **said, **rendered, **more}


def made(*revisions: dict[str, Any], spec: Alembic = SPEC) -> Tree:
    below = {id for each in revisions for id in each["revises"]}
    heads = tuple(each["id"] for each in revisions if each["id"] not in below)
    facts = {"loaded": {}, "table": "alembic_version", "schema": None, "models": False}
    return tree(spec, {"revisions": revisions, "heads": heads, **facts})


LINE = made(one("a"), one("b", "a"), one("c", "b", phase="contract"))


def row(of: Tree, id: str, **more: Any) -> Row:
    migration = next(each.migration for each in of.revisions if each.id == id)
    words = {name: getattr(migration, name) for name in ("id", "name", "sha256", "phase", "way", "up", "down")}
    return Row.model_validate({**words, "state": "applied", "total": 1, "done": 1, **more})


def way(of: Tree, heads: list[str], target: str, phase: Any, rows: list[Row] | None = None, **more: Any) -> Plan:
    return plan(SPEC, of, heads, rows or [], target=target, phase=phase, **more)


def steps(found: Plan) -> list[tuple[str, str]]:
    assert found.refusals == ()
    return [(step.action, step.migration.id) for step in found.steps]


def why(found: Plan) -> str:
    (refusal,) = found.refusals
    return refusal


def test_forward():
    """Expand goes up to the first contract, which waits for settle; there and settled, nothing is left."""
    found = way(LINE, [], "c", "expand")
    assert (steps(found), found.notes, found.before) == ([("up", "a"), ("up", "b")], ("waits for settle: c",), "")
    assert steps(way(LINE, ["b"], "c", "settle")) == [("up", "c")]
    assert steps(way(LINE, ["c"], "c", "expand")) == steps(way(LINE, ["c"], "c", "settle")) == []
    assert why(way(LINE, ["a"], "c", "settle")) == (
        "'b' is an expand that has not run, so no new code can have proven itself on it: expand first"
    )


def test_ahead():
    """An older target is fine where old code runs with what is newer, and refused where it does not, or nobody says so."""
    assert way(LINE, ["b"], "a", "expand", compatible=True).notes == ("stays: 'b' is newer than 'a', which is said to run with it",)
    assert why(way(LINE, ["b"], "a", "expand")).startswith("the database has 'b', newer than 'a', whose record does not say")
    assert "'c', newer than 'b'" in why(way(LINE, ["c"], "b", "expand", compatible=True))


def test_back():
    """Settle goes back in reverse order, over what is lossy only if it is named, and never over what has no way back."""
    assert steps(way(LINE, ["c"], "", "settle")) == [("down", "c"), ("down", "b"), ("down", "a")]
    lossy = made(one("a"), one("b", "a", way="lossy"))
    assert why(way(lossy, ["b"], "a", "settle")).startswith("going back from 'b' loses data: allow it by name ('b')")
    assert steps(way(lossy, ["b"], "a", "settle", lossy=["b"])) == [("down", "b")]
    gone = made(one("a"), one("b", "a", empty=True))
    assert why(way(gone, ["b"], "a", "settle")).startswith("'b' has no way back but a restore")


def test_downgrade():
    """Around older code contracts go back before it comes, and expands, if asked for, once the newer code is gone."""
    asked = {"downgrade": "exact"}
    assert steps(way(LINE, ["c"], "a", "expand", downgrade="needed")) == [("down", "c")]
    assert steps(way(LINE, ["b"], "a", "settle", downgrade="needed")) == []
    assert steps(way(LINE, ["c"], "a", "expand", **asked)) == [("down", "c")]
    assert steps(way(LINE, ["b"], "a", "settle", **asked)) == [("down", "b")]
    assert "goes back before the older code comes: expand first" in why(way(LINE, ["c"], "a", "settle", **asked))
    mixed = made(one("a"), one("b", "a", phase="contract"), one("c", "b"))
    assert why(way(mixed, ["c"], "a", "expand", **asked)).startswith("'b' goes back before the older code comes, and 'c' after it")


def test_branches():
    """Branches that are joined are run in an order in which they can be; heads that are not are refused, and a way over to another too."""
    joined = made(one("a"), one("b", "a"), one("c", "a"), one("d", "b", "c"))
    assert steps(way(joined, ["b"], "d", "expand")) == [("up", "c"), ("up", "d")]
    assert revision(["c", "b"]) == "b+c"
    assert steps(way(joined, ["d"], "b+c", "settle")) == [("down", "d")]
    assert "which is on another branch than 'c'" in why(way(joined, ["b"], "c", "expand"))
    assert "has 2 heads, 'b' and 'c'" in why(way(made(one("a"), one("b", "a"), one("c", "a")), ["a"], "b", "expand"))


def test_unknown():
    """What nobody knows is refused: a target, a revision of the database, and a history of SQL files."""
    assert why(way(LINE, [], "x", "expand")) == "revision 'x' is neither in 'migrations' nor in the database: check the release"
    assert why(way(LINE, ["x"], "c", "expand")).startswith("the database is at revision 'x', which is neither in 'migrations' nor in its")
    files = row(LINE, "a").model_copy(update={"id": "0001", "name": "0001_a", "up": "select 1"})
    assert why(way(LINE, [], "c", "expand", [files])).startswith("the database has migrations of SQL files ('0001_a')")


def test_a_checkout_without_them():
    """Newer revisions are known from the history, in whatever order it has them; one without SQL back is refused."""
    full = made(one("a"), one("b", "a"), one("c", "b"))
    rows = [row(full, id) for id in ("c", "b", "a")]
    old = made(one("a"))
    assert [each.id for each in Known(old, rows).order({"a", "b", "c"})] == ["a", "b", "c"]
    assert way(old, ["c"], "a", "expand", rows, compatible=True).refusals == ()
    found = way(old, ["c"], "a", "settle", rows)
    assert steps(found) == [("down", "c"), ("down", "b")]
    assert found.steps[0].migration.back
    assert [each.sql for each in found.steps[0].migration.back.statements] == [
        "drop table c",
        "update \"alembic_version\" set version_num = 'b' where version_num = 'c'",
    ]
    unseen = [rows[0].model_copy(update={"down": ""}), *rows[1:]]
    assert why(way(old, ["c"], "b", "settle", unseen)).startswith("'c' is not in 'migrations', and its way back was not kept as SQL")
    assert "neither in 'migrations' nor in its history" in why(way(old, ["c"], "a", "expand", rows[:1]))


@pytest.mark.parametrize(
    ("state", "doing", "heads", "phase", "doubt"),
    [
        ("running", 0, ["a"], "expand", ""),
        ("failed", 0, ["a"], "expand", ""),
        ("running", 3, ["a"], "expand", "way"),
        ("failed", 3, ["a"], "expand", "way"),
        ("reverting", 0, ["b"], "expand", ""),
        ("reverting", 3, ["b"], "expand", "way back"),
        ("running", 3, ["b"], "expand", ""),
        ("applied", 0, ["a"], "expand", ""),
    ],
)
def test_crashes(state: str, doing: int, heads: list[str], phase: str, doubt: str):
    """A row without a mark is certain, since it changes with Alembic's own table; one with a mark is a question, unless it is there."""
    rows = [row(LINE, "a"), row(LINE, "b", state=state, doing=doing, error="create index")]
    found = way(LINE, heads, "b", phase, rows)
    if doubt:
        assert f"was interrupted on its {doubt} after statement 2; the last that it sent: create index: look what" in why(found)
    elif heads == ["b"]:
        assert steps(found) == ([("mark", "b")] if state == "reverting" else [])
    else:
        assert steps(found) == [("up", "b")]


def test_changed():
    """A file that has changed since it was applied is told, and stops nothing."""
    rows = [row(LINE, "a", sha256="0" * 64)]
    assert way(LINE, ["a"], "b", "expand", rows).notes == ("changed since applied, which Alembic allows: a",)


def test_said():
    """What a revision says of itself, and what the program says of it, which wins; an empty way back wins over both."""
    spec = SPEC.model_copy(update={"contract": ("b",), "lossy": {"a": "select count(*) from a"}, "restore_only": ("b",), "lock_timeout": 5})
    found = made(one("a", way="reversible"), one("b", "a"), one("c", "b", way="lossy", empty=True), spec=spec)
    assert [(each.migration.phase, each.migration.way, each.migration.loses) for each in found.revisions] == [
        ("expand", "lossy", "select count(*) from a"),
        ("contract", "restore-only", ""),
        ("expand", "restore-only", ""),
    ]
    assert found.revisions[0].migration.forward.lock_timeout == 5


def test_rendered():
    """Transactions of its own make a revision one without; what is no SQL is not seen; time limits are its own."""
    concurrently = {"sql": "create table a (n int);\nCOMMIT;\ncreate index concurrently x on a (n);\nBEGIN;", "unseen": ""}
    (found,) = made(one("a", up=concurrently)).revisions
    assert (found.migration.forward.transactional, len(found.migration.forward.statements)) == (False, 2)
    (found,) = made(one("a", up={"sql": "selec 1", "unseen": ""})).revisions
    assert found.migration.unseen.startswith("what it renders is no SQL: line 1")
    assert made(one("a", up={"sql": "set lock_timeout = '1s';", "unseen": ""})).heads == ("a",)


def test_what_changes_the_server():
    """What would change the server is refused where it would run, up or down; of a revision that is there already nobody asks any more."""
    server = {"sql": "create role x;", "unseen": ""}
    changes = "'create role x' changes the server, not this database, so a rehearsal on a copy would do it for real"
    up = made(one("a"), one("b", "a", up=server), one("c", "b"))
    assert why(way(up, ["a"], "c", "expand")).startswith(f"'b': {changes}")
    assert steps(way(up, ["b"], "c", "expand")) == [("up", "c")]
    down = made(one("a"), one("b", "a", down=server))
    assert steps(way(down, ["a"], "b", "expand")) == [("up", "b")]
    assert why(way(down, ["b"], "a", "settle")).startswith(f"the way back of 'b': {changes}")


def test_kept_with_transactions_of_its_own():
    """A kept way back that ends its transaction is none: interrupted, it would leave what nobody knows without its file."""
    alone = {"sql": "COMMIT;\ndrop index concurrently x;\nBEGIN;", "unseen": ""}
    full = made(one("a"), one("b", "a", down=alone))
    rows = [row(full, id) for id in ("a", "b")]
    assert steps(way(full, ["b"], "a", "settle", rows)) == [("down", "b")]
    assert why(way(made(one("a")), ["b"], "a", "settle", rows)).startswith("'b' is not in 'migrations', and its way back was not kept")


def test_a_quote_in_an_id():
    """A revision's id is a text to the server, whatever is in it."""
    full = made(one("o'neil", up={"sql": "select 1;", "unseen": ""}), one("b", "o'neil"))
    old = made(one("o'neil", up={"sql": "select 1;", "unseen": ""}))
    found = way(old, ["b"], "o'neil", "settle", [row(full, "b")])
    assert steps(found) == [("down", "b")]
    assert found.steps[0].migration.back
    assert found.steps[0].migration.back.statements[-1].sql == (
        "update \"alembic_version\" set version_num = 'o''neil' where version_num = 'b'"
    )
