"""How `sluice rollback` ends; what it does is in test_engine_rollback."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from sluice.cli import ends
from sluice.cli.rollback import run
from sluice.core.rollback.database import Action
from sluice.core.rollback.plan import Plan
from sluice.core.rollback.symptom import Scope
from sluice.history.orders import Orders
from sluice.history.pulumi import Pulumi
from sluice.history.stack import Stack


@pytest.mark.parametrize(("up", "code"), [("false", ends.OPEN), ("true", 0)])
def test_what_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str], up: str, code: int):
    """When its update fails, what was for this release alone stays, and is told with the commands that take it away; else it is gone."""
    mark = tmp_path / "held again"
    seen = Stack(Pulumi(tmp_path, "organization/shop/prod"), "https://backend", {}, None, [])
    plan = Plan(action=Action.CODE, scope=Scope.FULL, failing="2-b", target="1-a")
    after = [sys.executable, "-c", f"open({str(mark)!r}, 'w')"]
    assert run(seen, plan, Orders(up=[up], after=[after])) == code
    said = capsys.readouterr().out
    assert mark.exists() == (code == 0)
    assert (f"then, as it was for this release alone:\n  {shlex.join(after)}\n" in said) == (code == ends.OPEN)
