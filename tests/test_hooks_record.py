"""Writing down a proven release."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sluice.core.errors import Superseded
from sluice.core.record import Record
from sluice.core.split import Route
from sluice.hooks.record import RecordProvider
from sluice.systems import splits
from tests.fixtures.front import Front

RECORD = {
    "id": "r1",
    "version": "1.1",
    "kind": "minor",
    "services": {"web": {"name": "web@1.1-3fa2", "version": "1.1"}},
    "schema": {"shop": "0007"},
}


def record(**more: Any) -> dict[str, Any]:
    return {"release": "r1", "settled": False, "record": RECORD} | more


def outs(props: dict[str, Any]) -> dict[str, Any]:
    result = RecordProvider().create(props).outs
    assert result is not None
    return result


def ids(seen: dict[str, Any]) -> list[str]:
    return [Record.parse(line).id for line in seen["proven"]]


def test_first():
    """The first release is alone in the list, live, and has the time at which it was written down."""
    seen = outs(record())
    assert ids(seen) == ["r1"]
    assert seen["live"] == Record.parse(seen["proven"][0]).shown
    assert abs(datetime.fromisoformat(seen["live"]["at"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert seen["live"]["schema"] == {"shop": "0007"}


def test_next():
    """A list from the stack's own outputs goes on, and reads what it wrote."""
    before = outs(record())["proven"]
    after = outs(record(record=RECORD | {"id": "r2"}, previous=before))
    assert ids(after) == ["r2", "r1"]
    assert after["proven"][1] == before[0]


@pytest.mark.embedded
def test_aborted(front: Front):
    """A release whose traffic was taken back after all its gates had passed is not proven; the next one that has it is."""
    route = Route(service="web", prefix="/web/", live="web@1.0", canary="web@1.1")
    split, owner = front.descriptor([route]), front.divide("r1", route, 100)
    assert ids(outs(record(fallback=split))) == ["r1"]
    splits.abort(split, "by hand")
    with pytest.raises(Superseded, match=r"^r1 is not proven, .* taken back \(aborted: by hand\): `pulumi up` begins again$"):
        outs(record(fallback=split))
    owner.take("r1", [route])
    assert ids(outs(record(fallback=split))) == ["r1"]


def test_held():
    """A release that is held on the way is not proven: the list stays, and so does what is live."""
    before = outs(record())
    held = {"release": "r2", "weight": 10, "since": "", "until": ""}
    assert outs(record(record=RECORD | {"id": "r2"}, previous=before["proven"], held=held)) == before


def test_settled():
    """A settled release, which declares no record, leaves the list as it is, even when somebody forces it to run."""
    before = outs(record())
    assert outs(record(settled=True, record={}, previous=before["proven"])) == before


def test_again():
    """The live release written down again changes nothing: a retried update shows no difference."""
    before = outs(record())["proven"]
    assert outs(record(previous=before))["proven"] == before


def test_took():
    """What its migrations took is in the record, for other stacks' previews."""
    seen = outs(record(took={"shop/0007_a": 1.5}))
    assert Record.parse(seen["proven"][0]).took == {"shop/0007_a": 1.5}
