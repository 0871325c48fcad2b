"""What `sluice backup` says before it saves; what it does is in test_engine_check and test_systems_save."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from sluice.cli.backup import backup, strange
from sluice.core.database import Database
from sluice.core.errors import Unreachable
from sluice.core.questions import Health, Preflight, Questions, Saved
from sluice.core.store import Store
from sluice.history import questions, stack


def test_a_database_that_is_no_longer_declared():
    """A database that the stack has, and its program no longer, is told instead of left out without a word."""
    why = "the program here does not declare 'old', which the stack has: it declares shop"
    assert strange(["shop", "old"], ["shop"]) == [why]
    assert strange(["shop"], ["shop", "new"]) == []


def test_nobody_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """A database server that is down is told with the command that looks for the cause."""
    server: dict[str, Any] = {"host": "127.0.0.1", "port": 1, "user": "ada", "passfile": str(tmp_path / "pass"), "tools": "/none"}
    (tmp_path / "pass").write_text("")
    (tmp_path / "pass").chmod(0o600)
    resources = [
        {"type": "pulumi:pulumi:Stack", "outputs": {"databases": {"shop": {}}}},
        {"type": "pulumi-python:dynamic/process:Postgres", "inputs": {"name": "db", **server}},
        {"type": "pulumi-python:dynamic/sluice:Backup", "inputs": {"folder": str(tmp_path)}},
    ]
    monkeypatch.setattr(stack, "look", lambda pulumi: stack.Stack(pulumi, "file://", {"resources": resources}, None, []))
    (tmp_path / "Pulumi.yaml").write_text("name: shop\n")
    asked = Questions(
        release="1-a",
        preflight=Preflight(),
        health=Health(deadline=1),
        saved=Saved(databases=[Database(store=Store(**{**server, "dbname": "shop"}))], owner="shop/dev", folder=str(tmp_path)),
    )
    monkeypatch.setattr(questions, "ask", lambda seen: asked)
    with pytest.raises(Unreachable) as error:
        backup(stack="dev", cwd=tmp_path)
    text = "database 127.0.0.1:1/shop: Connection refused"
    assert str(error.value) == f"{text}: `sluice doctor --stack dev --cwd {tmp_path}` looks for the cause"
    with pytest.raises(typer.Exit):
        backup(listed=True, stack="dev", cwd=tmp_path)
    assert f"beside: {text}: `sluice doctor --stack dev` looks for the cause\n" in capsys.readouterr().out
