"""Approvals, and the command that gives one, run by the real CLI."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sluice.core.settings import parse_text
from sluice.core.settings.approval import Approvals, missing

ID = "1.2.0+b-a1b2c3"
ADA = {"release": ID, "by": "ada", "role": "lead", "nonce": "1"}


def ask(*given: dict[str, Any], required: list[str] | None = None, spent: set[str] | None = None) -> list[str]:
    return missing(Approvals.read({"required": required or ["lead"], "given": list(given)}), ID, spent or set())


def test_none_needed():
    """Where no role is required nothing is missing."""
    assert missing(Approvals(), ID, set()) == []


def test_given():
    """An approval counts for its release, in its role, while its nonce is new."""
    assert ask(ADA) == []


def test_missing():
    """A role that has not approved is told with the whole command."""
    assert ask() == [
        f"'lead' has not approved '{ID}'; run: pulumi config set-all --path --plaintext 'sluice:rollout.approvals.given[0].release={ID}' "
        "--plaintext 'sluice:rollout.approvals.given[0].role=lead' --plaintext 'sluice:rollout.approvals.given[0].nonce=1' "
        '--plaintext "sluice:rollout.approvals.given[0].by=$(id -un)"'
    ]


def test_other_release():
    """An approval of another release is void, and left where it is."""
    (reason,) = ask({**ADA, "release": "1.1.0-ffffff"})
    assert reason.startswith(f"'lead' has not approved '{ID}' ('ada' has approved '1.1.0-ffffff'); run: ")
    assert ".given[1].nonce=2'" in reason


def test_spent():
    """A nonce that a proven release has spent counts no more: going out again takes a new one."""
    (reason,) = ask(ADA, spent={"1", "2"})
    assert reason.startswith(f"'lead' has not approved '{ID}' again (its nonce is spent); run: ")
    assert ".given[1].nonce=3'" in reason


def test_other_role():
    """One role does not approve for another; each gets a place and a nonce of its own."""
    reasons = ask(ADA, required=["lead", "dba", "dba", "owner"])
    assert [reason.split(" has")[0] for reason in reasons] == ["'dba'", "'owner'"]
    assert [(".given[1].nonce=2'" in reasons[0]), (".given[2].nonce=3'" in reasons[1])] == [True, True]


@pytest.mark.engine
def test_command(tmp_path: Path):
    """The command works as it stands: run in a shell, with the real CLI, it gives the approvals that were missing."""
    if shutil.which("pulumi") is None:
        pytest.skip("no pulumi on PATH: run `make setup`, then `. scripts/env`")
    config = stack(tmp_path)
    wanted = parse_text(*config("release", "rollout"), now=datetime.now(UTC))
    reasons = missing(wanted.rollout.approvals, wanted.release.id, set())
    for reason in reasons:
        config.run("bash", "-c", reason.split("; run: ")[1])
    read = parse_text(*config("release", "rollout"), now=datetime.now(UTC))
    assert len(reasons) == 2
    assert missing(read.rollout.approvals, read.release.id, set()) == []


class Config:
    """A stack's config in a folder of its own."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.env = {
            **os.environ,
            "PULUMI_BACKEND_URL": f"file://{place}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_SKIP_UPDATE_CHECK": "1",
        }

    def run(self, *words: str) -> str:
        return subprocess.run(words, cwd=self.place, env=self.env, capture_output=True, text=True, check=True).stdout

    def __call__(self, *keys: str) -> list[str]:
        return [self.run("pulumi", "config", "get", f"sluice:{key}") for key in keys]


def stack(place: Path) -> Config:
    (place / "Pulumi.yaml").write_text("name: approvals\nruntime: yaml\n")
    config = Config(place)
    config.run("pulumi", "stack", "init", "test", "--non-interactive")
    lines = {"sluice:release": {"version": "1.2.0+b"}, "sluice:rollout": {"approvals": {"required": ["lead", "dba"]}}}
    with (place / "Pulumi.test.yaml").open("a") as file:
        file.write("config: " + json.dumps(lines))
    return config
