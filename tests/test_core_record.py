"""The list of proven releases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from sluice.core.errors import Unreachable
from sluice.core.record import Built, Record, before, prove

NOON = datetime(2025, 11, 27, 12, tzinfo=UTC)


def record(name: str, hour: int = 0, **more: object) -> Record:
    web = Built(name=f"web@{name}-3fa2", version=name)
    given = {"id": name, "version": name, "kind": "minor", "services": {"web": web}, "at": NOON + timedelta(hours=hour)}
    return Record.model_validate(given | more)


def ids(records: list[Record]) -> list[str]:
    return [one.id for one in records]


def test_front():
    """The newest is in front."""
    assert ids(prove(record("1.1"), prove(record("1.0"), []))) == ["1.1", "1.0"]


def test_keep():
    """Only the last 20 are kept."""
    known: list[Record] = []
    for number in range(25):
        known = prove(record(str(number)), known)
    assert ids(known) == [str(number) for number in range(24, 4, -1)]


def test_again():
    """The live one recorded again changes nothing, not even its time."""
    known = prove(record("1.1", 1), [record("1.0")])
    assert prove(record("1.1", 5), known) == known


def test_marks():
    """A release recorded again keeps the marks that it has passed; one that comes back after another begins with none."""
    passed = {"30m": NOON}
    known = [record("1.1", 1, marks=passed), record("1.0")]
    assert prove(record("1.1", 5), known)[0].marks == passed
    after = prove(record("1.1", 9), prove(record("1.2", 5), known))
    assert [(one.id, one.marks) for one in after] == [("1.1", {}), ("1.2", {}), ("1.0", {})]


def test_rollback():
    """An older release that is proven again comes to the front with a new time, and is in the list once."""
    known = [record("1.2", 2), record("1.1", 1), record("1.0")]
    after = prove(record("1.1", 3), known)
    assert ids(after) == ["1.1", "1.2", "1.0"]
    assert after[0].at == NOON + timedelta(hours=3)


def test_spent():
    """An approval once spent stays spent when its release is recorded again."""
    known = [record("1.1", approvals=["a"]), record("1.0", approvals=["x"])]
    assert prove(record("1.0", 3, approvals=["y", "x"]), known)[0].approvals == ["x", "y"]


def test_spent_for_good():
    """What a release has spent stays spent when it falls off the end of the list, and when the one that took it over does."""
    known = [record("0", approvals=["a"])]
    for number in range(1, 45):
        known = prove(record(str(number)), known)
        assert "a" in {nonce for one in known for nonce in one.approvals}


def test_wire():
    """A record survives the wire, where the schema revision has its plain name."""
    given = {"backups": {"shop": "b1"}, "took": {"shop/7_a": 1.5}, "skipped": {"tests": "ada"}, "marks": {"30m": "2025-11-27T12:31:00Z"}}
    one = record("1.0", schema={"shop": "0007"}, git="c0ffee", by="ada", **given)
    assert one.wire() == {
        "id": "1.0",
        "version": "1.0",
        "kind": "minor",
        "services": {"web": {"name": "web@1.0-3fa2", "version": "1.0", "digest": "", "spec": ""}},
        "schema": {"shop": "0007"},
        "backups": {"shop": "b1"},
        "took": {"shop/7_a": 1.5},
        "skipped": {"tests": "ada"},
        "git": "c0ffee",
        "by": "ada",
        "approvals": [],
        "at": "2025-11-27T12:00:00Z",
        "marks": {"30m": "2025-11-27T12:31:00Z"},
    }
    assert Record.read(one.wire()) == one


def test_time_without_zone():
    """A time without a zone is refused: stacks are shared across zones."""
    with pytest.raises(ValidationError, match="timezone"):
        record("1.0", at="2025-11-27T12:00:00")


def built(version: str) -> dict[str, Any]:
    return {"web": {"name": f"web@{version}", "version": version, "spec": f"spec of {version}"}}


def test_what_stands_keeps_its_spec():
    """The live release and the one before it that ran other versions can be declared again; older ones are only remembered."""
    proven: list[Record] = []
    for id, version in (("a", "1"), ("b", "2"), ("c", "3"), ("d", "3")):
        proven = prove(record(id, services=built(version)), proven)

    assert [(one.id, one.services["web"].spec) for one in proven] == [("d", "spec of 3"), ("c", ""), ("b", "spec of 2"), ("a", "")]
    left = before(proven)
    assert left is not None
    assert left[0].id == "b"


def test_one_line():
    """A record is one line that nobody takes for JSON, and is read back whole."""
    one = record("1.0", services=built("1"), approvals=["n1"])
    assert one.text.startswith("release {")
    assert "\n" not in one.text
    assert Record.parse(one.text) == one


@pytest.mark.parametrize("line", ["", "release ", "release {}", 'release {"id": "1-a", "sooner": true}', "of another program"])
def test_a_line_that_is_no_record(line: str):
    """What another program, or a newer Sluice, has written there is told in a sentence."""
    with pytest.raises(Unreachable) as caught:
        Record.parse(line)
    why = "a line of the output `proven` is no record that this Sluice can read: update it if a newer one has deployed this stack"
    assert str(caught.value) == why
