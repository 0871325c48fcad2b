"""The CLI at its limits: one that hangs, and one that was killed in the middle of a word."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
import yaml

from sluice.core.errors import Unreachable
from sluice.history import examine
from sluice.history.pulumi import Pulumi, find


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of a program that is found instead of the CLI, in the folder of a program."""
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    place = tmp_path / "bin"
    place.mkdir()
    monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
    (place / "pulumi").touch(mode=0o755)
    return place / "pulumi"


def test_one_that_hangs(cli: Path, tmp_path: Path):
    """A question that the CLI does not answer is ended at its limit, and told with the command to try by hand."""
    cli.write_text("#!/bin/sh\nexec sleep 60\n")
    with pytest.raises(Unreachable) as caught:
        Pulumi(tmp_path, "prod", limit=0.2).state()
    why = "did not end within 0.2 s, and was ended: run it by hand to see what it waits for"
    assert str(caught.value) == f"`pulumi stack export --stack prod` {why}"
    # A server of other tests may be another child of this process.
    assert [one.name() for one in psutil.Process().children() if one.name() == "sleep"] == []


def test_doctor_with_one_that_hangs(cli: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Doctor tells what it can, and leaves no CLI behind that would keep it from its end."""
    cli.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(examine, "START", 0.5)
    found = {one.what: one for one in examine.examine(Pulumi(tmp_path, "prod"), long=60.0)}
    why = "`pulumi whoami --verbose --json` did not end within 0.5 s, and was ended: run it by hand to see what it waits for"
    assert (found["stack"].state, found["stack"].seen, found["stack"].next) == ("unknown", why, "pulumi stack --stack prod")
    assert found["memory"].state != "unknown"
    deadline = time.monotonic() + 5
    while psutil.Process().children() and time.monotonic() < deadline:
        time.sleep(0.05)
    # A server of other tests may be another child of this process.
    assert [one.name() for one in psutil.Process().children() if one.name() == "sleep"] == []


def test_a_stack_that_cannot_be_looked_at(cli: Path, tmp_path: Path):
    """What breaks while doctor looks at the stack is a finding without its words, which may hold anything."""
    cli.write_text('#!/bin/sh\necho "pl4nted is no JSON"\n')
    found = {one.what: one for one in examine.examine(Pulumi(tmp_path, "prod"), long=60.0)}
    assert (found["stack"].state, found["stack"].seen) == ("unknown", "the look at it broke (JSONDecodeError)")
    assert not any("pl4nted" in one.line for one in found.values() if one.what != "programs")


def test_references(cli: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Config is looked through for references to secrets: beside a date, in a block that is one text, with a space in a path."""
    cli.write_text("#!/bin/sh\nexit 1\n")
    monkeypatch.delenv("HOOK", raising=False)
    (tmp_path / "a key").write_text("s3cret")
    rollout = {"ladder": [{"weight": 10, "not_before": datetime(2026, 11, 27, tzinfo=UTC)}, 100], "notify": [{"url": "env:HOOK"}]}
    release = json.dumps({"services": {"web": {"settings": {"KEY": f"file:{tmp_path / 'a key'}", "NOTE": "not env:THIS"}}}})
    config = {"config": {"sluice:rollout": rollout, "sluice:release": release}}
    (tmp_path / "Pulumi.prod.yaml").write_text(yaml.safe_dump(config))
    found = [one for one in examine.examine(Pulumi(tmp_path, "prod"), long=60.0) if one.what.startswith("credential")]
    assert [(one.what, one.next) for one in found] == [("credential 'env:HOOK'", "export HOOK=...")]
    monkeypatch.setenv("HOOK", "https://hook")
    (fine,) = [one for one in examine.examine(Pulumi(tmp_path, "prod"), long=60.0) if one.what.startswith("credential")]
    assert fine.seen == "2 references in config, which resolve here"


def test_half_a_word(cli: Path, tmp_path: Path):
    """Of an engine that was killed as it wrote, all whole lines are read, whatever the last one is."""
    cli.write_text('#!/bin/sh\nfor last; do :; done\nprintf \'{"a": 1}\\n{"b": "\\303\' > "$last"\nexit 1\n')
    assert find(tmp_path, "prod").events(["pulumi", "up"]) == (1, ['{"a": 1}', '{"b": "\ufffd'])
