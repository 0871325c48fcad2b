"""What `sluice check` prints of what it was told; what it asks is in test_engine_check."""

from __future__ import annotations

import pytest

from sluice.cli.check import show
from sluice.cli.options import At
from sluice.core.check import Check, Limit
from sluice.core.clock import SystemClock
from sluice.core.questions import Health, Preflight, Questions, Saved
from sluice.systems import gates


def test_nobody_answers(capsys: pytest.CaptureFixture[str]):
    """A database that does not answer is told with the command that asks the same, and with the one that looks for the cause."""
    of = {"host": "127.0.0.1", "port": 1, "dbname": "shop", "user": "ada", "query": "select 1"}
    check = Check(name="orders", ask="sql", of=of, limit=Limit(is_=">=", value=1))
    asked = Questions(release="1-a", preflight=Preflight(), health=Health(checks=[check], deadline=1), saved=Saved(owner="shop/dev"))
    show(asked, {"health": gates.look("health", asked, SystemClock())}, At("dev").doctor)
    head, verdict, command, doctor = capsys.readouterr().out.splitlines()
    assert head == "health of 1-a"
    assert verdict.startswith("  errored       orders ")
    assert "database 127.0.0.1:1/shop: Connection refused" in verdict
    assert command.strip().startswith("psql ")
    assert doctor == "`sluice doctor --stack dev` looks for the cause"
