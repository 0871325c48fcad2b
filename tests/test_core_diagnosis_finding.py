"""A finding: one thing, one line, one command."""

from __future__ import annotations

import shlex

import pytest

from sluice.core.diagnosis import data, machine, service, stack
from sluice.core.diagnosis.finding import Finding, State, fine, psql, size, sound, unknown, worst
from sluice.core.reading import Number
from sluice.core.store import Store

STORE = Store(host="db", port=5433, user="app", passfile="/home/a b/pass", dbname="shop", tools="/pg/bin")


def found(state: State) -> Finding:
    return Finding(area="machine", what="disk", state=state, seen="1 GiB free")


def test_line():
    """A line has what was seen, what was expected, why, and the command; what is not known is left out."""
    whole = found(State.PROBLEM).model_copy(update={"expected": "2 GiB", "cause": "it is small", "next": "df -h"})
    assert whole.line == "disk: 1 GiB free, expected 2 GiB: it is small; run: df -h"
    assert fine("machine", "disk", "1 GiB free").line == "disk: 1 GiB free"


@pytest.mark.parametrize(("state", "well"), [(State.OK, True), (State.WARNING, True), (State.UNKNOWN, False), (State.PROBLEM, False)])
def test_sound(state: State, well: bool):
    """A problem is none too many, and what could not be asked is never well."""
    assert sound([found(State.OK), found(state)]) is well
    assert unknown("stack", "lock", "no answer").state is State.UNKNOWN


def test_worst():
    """The worst comes first; of the same kind the first stays first."""
    first, second = found(State.OK), fine("stack", "lock", "free")
    assert worst([first, found(State.WARNING), second, found(State.UNKNOWN), found(State.PROBLEM)]) == [
        found(State.PROBLEM), found(State.UNKNOWN), found(State.WARNING), first, second,
    ]  # fmt: skip


def test_size():
    """Bytes are written as people read them."""
    assert [size(0), size(29765), size(3 * 2**20), size(2**30), size(1.5 * 2**30)] == ["0 MiB", "29 KiB", "3 MiB", "1.0 GiB", "1.5 GiB"]


def test_psql():
    """A question can be pasted into a shell, and names the file with the password, never the password."""
    wanted = "PGPASSFILE='/home/a b/pass' /pg/bin/psql -h db -p 5433 -U app -d shop -c 'select '\"'\"'x'\"'\"''"
    assert psql(STORE, "select 'x'") == wanted
    assert psql(STORE.model_copy(update={"passfile": "", "tools": ""}), "select 1") == "psql -h db -p 5433 -U app -d shop -c 'select 1'"


ODD = "/srv/ada's state/$x"


@pytest.mark.parametrize(
    "found",
    [
        service.log("web@1", Number(value=1.0, evidence="9 of 9"), ODD),
        machine.disk(machine.Disk(path=ODD, purposes=["data"], free=0, size=1)),
        stack.version("web@1", stack.Answer("http://h", 500), runs=True, serves=True, stranger="", log=ODD),
        stack.door("web", stack.Answer(ODD, 0, "no answer")),
        *stack.references({f"file:{ODD}": "cannot be read"}, 1),
        stack.private("password file", ODD, None),
        stack.private("password file", ODD, 0o644),
    ],
)
def test_pasted(found: Finding | None):
    """A shell that a command is pasted into reads a path as one word, whatever is in it."""
    assert found
    assert ODD in shlex.split(found.next)


def test_pasted_in_part():
    """So it does where the path is a part of a word, and a database's name is one where it has quotes of its own."""
    (torn,) = data.backups([], [], ["no manifest"], ODD, 0.0)
    assert shlex.split(torn.next) == ["ls", "-la", f"{ODD}/*"]
    (home,) = stack.variables(False, None, ("/b", ODD))
    assert shlex.split(home.next) == ["export", f"SLUICE_HOME={ODD}"]
    name = 'odd"one_drill_20260101t000000zaaaa'
    (left,) = data.beside(Store(host="h", user="u", dbname="d"), ['odd"one'], {name: 1}, [], [], 0.0)
    assert shlex.split(left.next)[-1] == 'drop database "odd""one_drill_20260101t000000zaaaa"'
