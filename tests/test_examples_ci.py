"""The workflow that teams copy: its commands are there with those flags, what it uses is pinned, and no job may do more than it has to."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fixtures.sluice import SLUICE

WORKFLOW = Path(__file__).parent.parent / "examples" / "ci" / "github.yml"
TEXT = WORKFLOW.read_text()
FOUND: dict[str, Any] = yaml.safe_load(TEXT)
JOBS: dict[str, Any] = FOUND["jobs"]
STEPS = [(name, step) for name, job in JOBS.items() for step in job["steps"]]
SCRIPTS = [(name, step["run"]) for name, step in STEPS if "run" in step]


def commands(script: str) -> list[list[str]]:
    """Return the words of each `sluice` in a script."""
    lines = (line.strip() for line in script.splitlines())
    return [shlex.split(re.split(r" (?:>>?|\|\|?) ", line)[0]) for line in lines if line.startswith("sluice ")]


SLUICES = sorted({tuple(words) for _, script in SCRIPTS for words in commands(script)})


@pytest.mark.parametrize("words", SLUICES, ids=" ".join)
def test_commands(words: tuple[str, ...]):
    """Each verb is there, and its help has each flag."""
    help_ = subprocess.run([str(SLUICE), words[1], "--help"], capture_output=True, text=True, check=True).stdout
    known = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", help_))
    flags = {word for word in words[2:] if word.startswith("-")}
    assert flags
    assert flags <= known


def test_all_of_it_was_seen():
    """The dry run of a pull request, a release and its report are what is checked above."""
    assert [words[1:3] for words in SLUICES] == [("release", "$VERSION"), ("release", "${GITHUB_REF_NAME#v}"), ("report", "--markdown")]


@pytest.mark.parametrize("script", sorted({script for _, script in SCRIPTS}))
def test_scripts(script: str):
    """Each script is one that bash reads, and takes nothing of an event into its text, where it would be run."""
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    assert "${{" not in script


def test_pinned():
    """What is used is a commit, with its version beside it for people: a tag can be moved."""
    used = re.findall(r"uses: (\S+)(.*)", TEXT)
    assert used
    assert [
        one for one, beside in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", one) or not re.fullmatch(r" # v[\d.]+", beside)
    ] == []


def test_permissions():
    """Nothing is allowed by itself; what runs a change reads the repository alone, and what writes runs nothing of it."""
    assert FOUND["permissions"] == {}
    allowed = {name: job["permissions"] for name, job in JOBS.items()}
    read = {"contents": "read"}
    assert allowed == {"preview": read, "comment": {"pull-requests": "write"}, "staging": read, "production": read}
    assert not any("uses" in step for name, step in STEPS if name == "comment")
    assert "head.repo.full_name == github.repository" in JOBS["preview"]["if"]
    kept = [step for _, step in STEPS if str(step.get("uses")).startswith("actions/checkout@")]
    assert [step["with"]["persist-credentials"] for step in kept] == [False] * 3


def test_order():
    """A tag goes to staging before production, one at a time, and nothing that is under way is cancelled."""
    assert (JOBS["production"]["needs"], JOBS["production"]["env"]["CI_ENVIRONMENT"]) == ("staging", "production")
    assert [JOBS[name]["concurrency"] for name in ("staging", "production")] == [
        {"group": name, "cancel-in-progress": False} for name in ("staging", "production")
    ]
    # True: YAML 1.1 reads `on` as that.
    assert FOUND[True] == {"pull_request": None, "push": {"tags": ["v*"]}}


@pytest.mark.parametrize(("code", "well"), [(0, True), (4, True), (1, False)])
def test_preview(tmp_path: Path, code: int, well: bool):
    """The step of the preview hands over what was said, and is red only where the change itself would fail."""
    (tmp_path / "sluice").write_text(f"#!/bin/sh\necho \"$@\"; echo 'EOF'; exit {code}\n")
    (tmp_path / "sluice").chmod(0o755)
    script = next(step["run"] for _, step in STEPS if step.get("id") == "dry")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "VERSION": "pr-7", "GITHUB_OUTPUT": str(tmp_path / "out")}
    done = subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=environment, check=False)
    assert (done.returncode == 0) == well
    first, *said, last = (tmp_path / "out").read_text().splitlines()
    assert (said, first) == (["release pr-7 --dry-run", "EOF"], f"text<<{last}")
