"""Who watches traffic that is not proven, as status, promote and doctor are told."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from sluice.cli.status import lease
from sluice.core.lease import Hold, Lease
from sluice.history.pulumi import Pulumi
from sluice.history.scene import Scene
from sluice.history.stack import Stack
from sluice.history.watch import Watch, ended, watch
from sluice.systems import splits
from tests.test_systems_keeper import BOTH, LIVE


def stack(folder: Path, *, front: bool = True) -> tuple[Stack, dict[str, Any]]:
    split = {"kind": "envoy", "folder": str(folder), "admin": str(folder / "admin.sock")}
    proxy = [{"type": "pulumi-python:dynamic/process:Proxy", "inputs": {}, "outputs": {"split": split}}] if front else []
    return Stack(Pulumi(folder, "prod"), "", {"resources": proxy}, None, []), split


def test_nobody(tmp_path: Path):
    """Where there is no door, and where all traffic is proven, nobody watches."""
    seen, _ = stack(tmp_path, front=False)
    assert (watch(seen), ended(seen)) == (Watch(), None)
    assert lease(seen) == {"held": None, "watched": None, "ended": None}
    seen, split = stack(tmp_path)
    splits.open(split).take("r1", [LIVE])
    assert (watch(seen).lease, watch(seen).held, ended(seen)) == (None, None, None)


def test_deployer(tmp_path: Path):
    """A deployer is told with the time since its last sign, and a hold by whom and until when, to all who ask alike."""
    seen, split = stack(tmp_path)
    one = splits.open(split)
    told = Lease(release="r2", owner=one.owner, rollout={}, heartbeat=10)
    one.take("r2", [BOTH], lease=told)
    one.beat(time.time() - 3)
    found = watch(seen)
    assert (found.lease, found.held, found.keeper, 3 <= found.silent < 8) == (told, None, False, True)
    watched = lease(seen)["watched"]
    assert {**watched, "silent": 3} == {"by": "deployer", "release": "r2", "silent": 3, "keeper": False}
    one.hold(told.model_copy(update={"hold": Hold(weight=10, since=0, until=86400)}))
    held = {"release": "r2", "weight": 10, "since": "1970-01-01T00:00:00Z", "until": "1970-01-02T00:00:00Z"}
    assert (watch(seen).held, lease(seen)["held"], lease(seen)["watched"]["by"]) == (held, held, "keeper")
    assert Scene(seen, [], 60, 1).held == "'r2' is held at 10 % since 1970-01-01T00:00:00Z, until 1970-01-02T00:00:00Z"
