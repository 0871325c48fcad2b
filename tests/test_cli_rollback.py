"""How `sluice rollback` ends; what it does is in test_engine_rollback."""

from __future__ import annotations

import json
import os
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


@pytest.mark.parametrize(("up", "code"), [("false", ends.OPEN), ("true", 0)])
def test_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], up: str, code: int):
    """When its update fails, what was for this release alone stays, and is told with the commands that take it away; else it is gone, also
    from where somebody has moved it meanwhile, and nothing else is."""
    if shutil.which("pulumi") is None:
        pytest.skip("no pulumi on PATH: run `make setup`, then `. scripts/env`")
    config = stack(tmp_path)
    for name, value in config.env.items():
        monkeypatch.setitem(os.environ, name, value)
    entry = {"by": "ada", "downgrade": "needed"}
    there = {"permissions": [{**entry, "release": "3-c", "nonce": "other"}, {**entry, "release": "1-a", "nonce": "mine"}]}
    pulumi = Pulumi(tmp_path, "test")
    pulumi.do(pulumi.argv("config", "set-all", "--json", json.dumps({"sluice:rollout": {"value": json.dumps(there), "objectValue": {}}})))
    plan = Plan(action=Action.CODE, scope=Scope.FULL, failing="2-b", target="1-a")
    after = pulumi.argv("config", "rm", "--path", "sluice:rollout.permissions[0]")
    seen = Stack(pulumi, "https://backend", {}, None, [])
    assert run(seen, plan, Orders(up=[up], after=[after], used=frozenset({"mine"}))) == code
    (left,) = pulumi.configs("sluice:rollout")
    assert [one["nonce"] for one in json.loads(left or "")["permissions"]] == (["other"] if code == 0 else ["other", "mine"])
    said = capsys.readouterr().out
    assert (f"then, as it was for this release alone:\n  {shlex.join(after)}\n" in said) == (code == ends.OPEN)


def test_before_the_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Of a stack that has no release yet there is none to leave, and none is named."""
    seen = Stack(Pulumi(tmp_path, "prod"), "", {}, None, [])
    show(seen, make(seen, options.NEWEST.wish), Orders())
    assert capsys.readouterr().out == "refuse\n  refused: nothing has been proven yet\n"
