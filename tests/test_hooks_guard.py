"""A version that has traffic is not stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sluice.core.errors import Refused, Unreachable
from sluice.core.ladder import Cohort
from sluice.core.split import Route
from sluice.hooks.guard import GuardProvider
from sluice.systems import splits

ROUTE = Route(service="web", prefix="/web/", live="web@1", canary="web@2")


@pytest.fixture
def split(tmp_path: Path) -> dict[str, Any]:
    return {"kind": "envoy", "folder": str(tmp_path), "admin": ""}


def delete(split: dict[str, Any], name: str) -> None:
    GuardProvider().delete(name, {"version": name, "split": json.dumps(split)})


def refused(split: dict[str, Any], name: str) -> bool:
    try:
        delete(split, name)
    except Refused as error:
        return str(error) == f"version '{name}' still has traffic, so it is not stopped: finish or abort its rollout with `pulumi up` first"
    return False


def test_traffic(split: dict[str, Any]):
    """The live version and a canary with any share are refused; at 0 and at 100 the other one may go."""
    there = splits.open(split)
    there.take("r2", [ROUTE])
    for weight, stands in ((0, (True, False)), (1, (True, True)), (99, (True, True)), (100, (False, True))):
        there.set(weight)
        assert (refused(split, "web@1"), refused(split, "web@2")) == stands


def test_cohort(split: dict[str, Any]):
    """A version that only beta users see has traffic too."""
    there = splits.open(split)
    there.take("r2", [ROUTE])
    there.set(0, Cohort(cookie="beta"))
    assert refused(split, "web@2")


def test_nobody_has_traffic(split: dict[str, Any]):
    """Where nothing was ever told to the splitter, every version may go; so may one that has no route."""
    assert not refused(split, "web@1")
    splits.open(split).take("r2", [ROUTE])
    assert not refused(split, "web@0")


def test_an_older_state(split: dict[str, Any]):
    """A guard that holds its splitter as data, as an older Sluice wrote it, refuses all the same."""
    splits.open(split).take("r2", [ROUTE])
    with pytest.raises(Refused):
        GuardProvider().delete("web@1", {"version": "web@1", "split": split})


def test_who_has_traffic_is_not_known(split: dict[str, Any]):
    """When the splitter's word cannot be read, no version is stopped."""
    (Path(split["folder"]) / "rds.json").write_text("{")
    with pytest.raises(Unreachable, match="cannot be read"):
        delete(split, "web@1")


def test_stands_before_another_splitter(split: dict[str, Any]):
    """A guard follows the splitter's address, and has no other reason to change."""
    props = {"version": "web@1", "split": split}
    provider = GuardProvider()
    assert (provider.create(props).id, provider.create(props).outs) == ("web@1", props)
    assert provider.diff("web@1", props, {**props, "more": 1}).changes is False
    moved = {**props, "split": {**split, "folder": "/elsewhere"}}
    assert provider.diff("web@1", props, moved).changes is True
    assert provider.update("web@1", props, moved).outs == moved
