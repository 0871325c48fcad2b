"""What a job of a CI says by variables, to the real command."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest
import yaml

from sluice.cli.job import chosen, unheard
from sluice.core.errors import Refused
from sluice.history.pulumi import Pulumi
from tests.fixtures.sluice import SLUICE
from tests.test_history_updates import pulumi

__all__ = ["pulumi"]


def run(one: Pulumi, *words: str, **environment: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [str(SLUICE), *words], cwd=one.folder, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_stack(pulumi: Pulumi):
    """Without --stack a job's variable names the stack, which is said beside what programs read; --stack wins over it."""
    subprocess.run(["pulumi", "stack", "init", "staging"], cwd=pulumi.folder, check=True)
    subprocess.run(["pulumi", "stack", "select", "test"], cwd=pulumi.folder, check=True)
    code, out, err = run(pulumi, "history", CI_ENVIRONMENT="staging")
    assert (code, out, err) == (0, "no update of 'staging' yet: `pulumi up` makes the first\n", "stack 'staging', as CI_ENVIRONMENT says\n")
    code, out, err = run(pulumi, "history", "--stack", "test", CI_ENVIRONMENT="staging")
    assert (code, "'staging'" in out, err) == (0, False, "")
    code, out, err = run(pulumi, "history", "--json", CI_ENVIRONMENT="prod")
    assert (code, out) == (1, "")
    assert err == "error: CI_ENVIRONMENT is 'prod', and there is no such stack: known are staging, test\n"


def test_on_a_terminal(pulumi: Pulumi, monkeypatch: pytest.MonkeyPatch):
    """Who sits at a terminal has selected a stack: a variable that was left there changes nothing."""
    monkeypatch.setenv("CI_ENVIRONMENT", "prod")
    master, slave = pty.openpty()
    with os.fdopen(slave) as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        assert chosen(pulumi.folder) is None
    os.close(master)
    with Path(os.devnull).open() as nobody:
        monkeypatch.setattr("sys.stdin", nobody)
        with pytest.raises(Refused):
            chosen(pulumi.folder)


def test_unheard(pulumi: Pulumi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """A usual variable by which nobody is told is named with the command that changes it; the command works, and then it is silent."""
    for name in ("SLACK_WEBHOOK_URL", "DISCORD_WEBHOOK_URL", "PROMETHEUS_PUSHGATEWAY"):
        monkeypatch.delenv(name, raising=False)
    unheard(pulumi)
    monkeypatch.setenv("SLACK_WEBHOOK_URL", "https://hooks.example.org/planted")
    monkeypatch.setenv("PROMETHEUS_PUSHGATEWAY", "push:9091")
    unheard(pulumi)
    said = capsys.readouterr().out
    slack, push = said.splitlines()
    assert slack == (
        "SLACK_WEBHOOK_URL is set, and nobody is told there; run: pulumi config set-all --path "
        "--plaintext 'sluice:rollout.notify[0].kind=slack' --plaintext 'sluice:rollout.notify[0].url=env:SLACK_WEBHOOK_URL' --stack test"
    )
    assert "planted" not in said
    for line in (slack, push):
        subprocess.run(["bash", "-c", line.partition("run: ")[2]], cwd=pulumi.folder, check=True)
    unheard(pulumi)
    assert capsys.readouterr().out == ""
    config = yaml.safe_load((pulumi.folder / "Pulumi.test.yaml").read_text())["config"]
    assert config["sluice:rollout"]["notify"] == [
        {"kind": "slack", "url": "env:SLACK_WEBHOOK_URL"},
        {"kind": "pushgateway", "url": "env:PROMETHEUS_PUSHGATEWAY"},
    ]
    as_text = '{"notify": [{"kind": "slack", "url": "env:SLACK_WEBHOOK_URL"}, {"kind": "json", "url": "env:PROMETHEUS_PUSHGATEWAY"}]}'
    pulumi.do(pulumi.argv("config", "rm", "sluice:rollout"))
    pulumi.do(pulumi.argv("config", "set", "sluice:rollout", "--plaintext", as_text))
    unheard(pulumi)
    assert capsys.readouterr().out == ""
