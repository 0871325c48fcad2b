"""What `sluice abort` says when there is no traffic to take; what it takes is in test_engine_rollback and test_engine_keeper."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sluice.cli.abort import world
from sluice.core.split import Route
from sluice.history.pulumi import Pulumi
from sluice.history.stack import Stack
from sluice.systems import splits


@pytest.mark.parametrize("running", [False, True])
def test_nothing_to_take(tmp_path: Path, capsys: pytest.CaptureFixture[str], running: bool):
    """An update that has not come to its canary has no traffic to lose, and would go on: whoever aborts hears of it."""
    (tmp_path / "Pulumi.yaml").write_text("name: shop\n")
    locks = tmp_path / ".pulumi" / "locks" / "organization" / "shop" / "prod"
    locks.mkdir(parents=True)
    if running:
        told = {"pid": os.getpid(), "username": "ada", "hostname": os.uname().nodename, "timestamp": "2026-11-24T12:00:00Z"}
        (locks / "one.json").write_text(json.dumps(told))
    split = {"kind": "envoy", "folder": str(tmp_path), "admin": str(tmp_path / "admin.sock")}
    splits.open(split).take("r1", [Route(service="web", prefix="/")])
    state = {"resources": [{"type": "pulumi-python:dynamic/process:Proxy", "inputs": {}, "outputs": {"split": split}}]}
    world(Stack(Pulumi(tmp_path, "organization/shop/prod"), f"file://{tmp_path}", state, None, []))
    who = f"pid {os.getpid()} of ada on {os.uname().nodename} holds the stack since 2026-11-24T12:00:00Z"
    more = f"BUT {who}: it has not come to its canary, or has passed it: end it with Ctrl-C, or kill -INT\n" if running else ""
    assert capsys.readouterr().out == f"all traffic is on what is proven already\n{more}"
