"""A finding: one thing, one line, one command."""

from __future__ import annotations

import pytest

from sluice.core.diagnosis.finding import Finding, State, fine, psql, size, sound, unknown, worst
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
