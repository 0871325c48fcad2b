"""What `sluice abort` says when there is no traffic to take; what it takes is in test_engine_rollback and test_engine_keeper."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from sluice.cli.abort import everything, world
from sluice.core.clock import SystemClock
from sluice.core.errors import Superseded, Unreachable
from sluice.core.journal import Happened
from sluice.core.moment import Moment
from sluice.core.record import Record
from sluice.history.pulumi import Pulumi
from sluice.history.stack import Stack
from sluice.systems import journal, splits
from tests.fixtures.front import Front
from tests.test_systems_keeper import LIVE, attend, served

__all__ = ["served"]


def stack(folder: Path, split: dict[str, Any]) -> Stack:
    (folder / "Pulumi.yaml").write_text("name: shop\n")
    built = {"web": {"name": "web@1", "version": "1", "digest": "", "spec": ""}}
    live = Record.model_validate({"id": "r1", "version": "1", "kind": "minor", "services": built, "at": "2026-11-24T12:00:00Z"})
    proxy = {"type": "pulumi-python:dynamic/process:Proxy", "inputs": {}, "outputs": {"split": split}}
    state = {"resources": [{"type": "pulumi:pulumi:Stack", "outputs": {"proven": [live.text]}}, proxy]}
    return Stack(Pulumi(folder, "organization/shop/prod"), f"file://{folder}", state, None, [])


def locked(folder: Path) -> str:
    """Have an update at work on the stack; return how it is told."""
    locks = folder / ".pulumi" / "locks" / "organization" / "shop" / "prod"
    locks.mkdir(parents=True)
    told = {"pid": os.getpid(), "username": "ada", "hostname": os.uname().nodename, "timestamp": "2026-11-24T12:00:00Z"}
    (locks / "one.json").write_text(json.dumps(told))
    return f"pid {os.getpid()} of ada on {os.uname().nodename} holds the stack since 2026-11-24T12:00:00Z"


@pytest.mark.parametrize("running", [False, True])
def test_nothing_to_take(tmp_path: Path, capsys: pytest.CaptureFixture[str], running: bool):
    """An update that has not come to its canary has no traffic to lose, and gets none any more: whoever aborts hears that it goes on."""
    who = locked(tmp_path) if running else ""
    split = {"kind": "envoy", "folder": str(tmp_path), "admin": str(tmp_path / "admin.sock")}
    splits.open(split).take("r1", [LIVE])
    world(stack(tmp_path, split))
    before = splits.open(split).get().routes
    more = f"BUT {who}: it gets no traffic, and fails as it asks for some; to end it at once: Ctrl-C, or kill -INT\n" if running else ""
    assert capsys.readouterr().out == f"all traffic is on what is proven already\n{more}"
    assert (splits.aborted(split), splits.open(split).get().routes) == ("aborted by sluice abort", before)


def test_a_proxy_that_does_not_follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Where the proxy does not say that it follows, the abort fails, and is in the journal all the same."""
    monkeypatch.setattr(splits, "FOLLOW", 0.1)
    split = {"kind": "envoy", "folder": str(tmp_path), "admin": str(tmp_path / "admin.sock")}
    deployer = splits.open(split)
    deployer.take("r2", [LIVE.model_copy(update={"canary": "web@2"})])
    deployer.set(25)
    seen = stack(tmp_path, split)
    seen.state["resources"][0]["outputs"]["journal"] = str(tmp_path / "journal.jsonl")
    with pytest.raises(Unreachable, match=r"admin socket .* does not answer"):
        everything(seen, "orders are lost")
    assert splits.open(split).get().weight == 0
    (asked,), _ = journal.read(tmp_path / "journal.jsonl")
    assert (asked.event, asked.moment, asked.text) == (Happened.ASKED, Moment.ABORT, "orders are lost")


@pytest.mark.embedded
def test_about_to_climb(served: Front, tmp_path: Path):
    """A canary that is about to give the first traffic loses the right to it."""
    deployer = attend(served, SystemClock().now(), weight=0)
    world(stack(tmp_path, served.descriptor([LIVE])))
    with pytest.raises(Superseded):
        deployer.set(10)
    assert (splits.open(served.split).get().weight, deployer.seen().lease) == (0, None)


@pytest.mark.embedded
def test_unreadable_routes(served: Front, tmp_path: Path):
    """Where the routes cannot be read the doors are those of the way back that lies beside them."""
    attend(served, SystemClock().now(), weight=50)
    (served.folder / "rds.json").write_text("{")
    world(stack(tmp_path, served.descriptor([LIVE])))
    share = splits.open(served.split).get()
    assert (share.weight, share.routes) == (0, [LIVE])


def test_no_doors(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Where no door is known any more all else is done, and the error, which comes last, says what next."""
    journal = tmp_path / "journal.jsonl"
    split = {"kind": "envoy", "folder": str(tmp_path), "admin": str(tmp_path / "admin.sock")}
    for name in ("rds.json", "back.json"):
        (tmp_path / name).write_text("{")
    seen, who = stack(tmp_path, split), locked(tmp_path)
    seen.state["resources"][0]["outputs"]["journal"] = str(journal)
    with pytest.raises(Unreachable) as caught:
        everything(seen, "too slow")
    why = f"the routes in '{tmp_path}/rds.json' cannot be read (JSONDecodeError): run `pulumi up`, which writes them anew"
    assert str(caught.value) == why
    still = "config still names no release that can be read, and 'r1' cannot be written back: history has no update with its config"
    assert capsys.readouterr().out == f"the traffic was not taken\nAND {who}: end it with Ctrl-C, or kill -INT\n{still}\n"
    assert json.loads(journal.read_text())["text"] == "too slow"
