"""What `sluice promote` refuses before it touches anything; what it does is in test_engine_keeper."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sluice.cli.promote import check, promote
from sluice.core.errors import Refused
from sluice.core.lease import Hold, Lease
from sluice.core.split import Route
from sluice.history.locks import turn
from sluice.history.pulumi import Pulumi
from sluice.history.stack import Stack
from sluice.systems import splits

PROD = "organization/shop/prod"


def held(folder: Path, *, weight: int = 10) -> Stack:
    """Return a stack that holds a release at a weight, by the files beside its splitter."""
    split = {"kind": "envoy", "folder": str(folder), "admin": str(folder / "admin.sock")}
    one = splits.open(split)
    hold = Hold(weight=weight, since=0, until=60)
    one.take(
        "r2",
        [Route(service="web", prefix="/", live="web@1")],
        lease=Lease(release="r2", owner=one.owner, rollout={}, heartbeat=10, hold=hold),
    )
    resources = [{"type": "pulumi-python:dynamic/process:Proxy", "inputs": {}, "outputs": {"split": split}}]
    ladder = json.dumps({"ladder": [{"weight": 10}, {"weight": 50}, {"weight": 100}]})
    return Stack(Pulumi(folder, PROD), "https://backend", {"resources": resources}, None, [], ladder)


@pytest.mark.parametrize(
    ("until", "why"),
    [
        (10, "'r2' is held at 10 % already: --until has to be above that, and is 10"),
        (60, "no step of the ladder has 60 %: they have 10, 50, 100"),
    ],
)
def test_until(tmp_path: Path, until: int, why: str):
    """A weight that is not above the one that is held, and one that no step has, are refused with all else, before config is changed."""
    with pytest.raises(Refused) as refused:
        check(held(tmp_path), until)
    assert refused.value.reasons[1:] == [why]


def test_in_turn(tmp_path: Path):
    """While another command works on the stack from this folder, its config is not changed under it."""
    (tmp_path / "Pulumi.yaml").write_text("name: shop\n")
    (tmp_path / "Pulumi.prod.yaml").write_text("config: {}\n")
    with turn(Pulumi(tmp_path, PROD)), pytest.raises(Refused, match="another `sluice` works on"):
        promote(yes=True, stack=PROD, cwd=tmp_path)
