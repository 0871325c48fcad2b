"""How `sluice rollback` ends; what it does is in test_engine_rollback."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from pathlib import Path

import pytest

from sluice.cli import ends, options
from sluice.cli.plan import make, show
from sluice.cli.rollback import run
from sluice.core.rollback.database import Action
from sluice.core.rollback.plan import Plan
from sluice.core.rollback.symptom import Scope
from sluice.history.orders import Orders
from sluice.history.pulumi import Pulumi
from sluice.history.stack import Stack
from tests.test_core_settings_approval import stack

pytestmark = pytest.mark.engine
PLAN = Plan(action=Action.CODE, scope=Scope.FULL, failing="2-b", target="1-a")
# A CLI that reads config and cannot write it, as with a file that is not the user's.
READER = """#!/bin/sh
case " $* " in *" rm "*) echo "error: open Pulumi.test.yaml: permission denied" >&2; exit 255;; esac
exec {cli} "$@"
"""


def allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pulumi:
    """Return a stack in whose config two releases are allowed something."""
    if shutil.which("pulumi") is None:
        pytest.skip("no pulumi on PATH: run `make setup`, then `. scripts/env`")
    config = stack(tmp_path)
    for name, value in config.env.items():
        monkeypatch.setitem(os.environ, name, value)
    entry = {"by": "ada", "downgrade": "needed"}
    there = {"permissions": [{**entry, "release": "3-c", "nonce": "other"}, {**entry, "release": "1-a", "nonce": "mine"}]}
    pulumi = Pulumi(tmp_path, "test")
    pulumi.do(pulumi.argv("config", "set-all", "--json", json.dumps({"sluice:rollout": {"value": json.dumps(there), "objectValue": {}}})))
    return pulumi


def seen(pulumi: Pulumi) -> Stack:
    return Stack(pulumi, "https://backend", {}, None, [])


@pytest.mark.parametrize(("up", "code"), [("false", ends.OPEN), ("true", 0)])
def test_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], up: str, code: int):
    """When its update fails, what was for this release alone stays, and is told with the commands that take it away; else it is gone, also
    from where somebody has moved it meanwhile, and nothing else is."""
    pulumi = allowed(tmp_path, monkeypatch)
    after = pulumi.argv("config", "rm", "--path", "sluice:rollout.permissions[0]")
    assert run(seen(pulumi), PLAN, Orders(up=[up], after=[after], used=frozenset({"mine"}))) == code
    (left,) = pulumi.configs("sluice:rollout")
    assert [one["nonce"] for one in json.loads(left or "")["permissions"]] == (["other"] if code == 0 else ["other", "mine"])
    said = capsys.readouterr().out
    assert (f"then, as it was for this release alone:\n  {shlex.join(after)}\n" in said) == (code == ends.OPEN)


def test_before_the_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Of a stack that has no release yet there is none to leave, and none is named."""
    seen = Stack(Pulumi(tmp_path, "prod"), "", {}, None, [])
    show(seen, make(seen, options.NEWEST.wish), Orders())
    assert capsys.readouterr().out == "refuse\n  refused: nothing has been proven yet\n"


@pytest.mark.parametrize("readable", [True, False])
def test_config_that_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], readable: bool):
    """A way back that is done, but for config that cannot be cleared, has an exit code of its own, and says what is still to be typed: as
    config is now, or as it was to be where it cannot even be read."""
    pulumi = allowed(tmp_path, monkeypatch)
    planned, now = (pulumi.argv("config", "rm", "--path", f"sluice:rollout.permissions[{number}]") for number in (0, 1))
    up = ["true"] if readable else ["sh", "-c", "mv Pulumi.test.yaml moved && mkdir Pulumi.test.yaml"]
    if readable:
        cli = tmp_path / "bin" / "pulumi"
        cli.parent.mkdir()
        cli.write_text(READER.format(cli=shutil.which("pulumi")))
        cli.chmod(0o755)
        monkeypatch.setenv("PATH", str(cli.parent), prepend=os.pathsep)
    assert run(seen(pulumi), PLAN, Orders(up=up, after=[planned], used=frozenset({"mine"}))) == ends.LEFT
    told = capsys.readouterr()
    back, *left = told.out.splitlines()
    assert re.fullmatch(r"'1-a' is live again, after \d+\.\d s", back)
    todo = shlex.join(now if readable else planned)
    assert left == ["config still has what this release alone was allowed; once that is mended:", f"  {todo}"]
    assert ("permission denied" if readable else "is a directory") in told.err
