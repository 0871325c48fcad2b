"""The command itself: quick to start, honest about what it can do, one line for an error. What verbs do is in test_engine_rollback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sluice.cli import main, status
from tests.fixtures.sluice import SLUICE

VERBS = (
    "release", "announce", "promote", "status", "history", "plan", "rollback", "repair", "abort", "doctor", "check", "backup", "report",
)  # fmt: skip
HEAVY = ("pulumi", "pydantic", "rich", "yaml", "psycopg", "httpx")
PAGE = Path(__file__).parent.parent / "docs" / "cli.md"


def run(*words: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command as it is installed."""
    return subprocess.run([str(SLUICE), *words], cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, check=False)


def test_help():
    """Help names every verb, each with a whole sentence, and starts without anything heavy."""
    found = run("--help", COLUMNS="80")
    assert found.returncode == 0
    assert [verb for verb in VERBS if re.search(rf"^  {verb} ", found.stdout, re.MULTILINE)] == [*VERBS]
    assert "..." not in found.stdout.partition("Commands:")[2]
    loaded = f"import sys; import sluice.cli.main; print([name for name in {HEAVY} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("verb", VERBS)
def test_verbs(verb: str):
    """Each verb says what it does in plain Pulumi, and the page has it with all its options."""
    found = run(verb, "--help", COLUMNS="200")
    assert found.returncode == 0
    assert "plain Pulumi" in found.stdout
    # A type of Python's is no word for people.
    assert not re.search(r"<\w", found.stdout)
    text = PAGE.read_text()
    section = text[text.index(f"## {verb}") :].partition("\n## ")[0]
    options = set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", found.stdout, re.MULTILINE)) - {"--help", "--stack", "--cwd", "--json", "--yes"}
    assert {option for option in options if option not in section} == set()


def test_completion():
    """A shell completes verbs and options."""
    asked = {"_SLUICE_COMPLETE": "complete_bash", "COMP_CWORD": "1"}
    assert run(COMP_WORDS="sluice ro", **asked).stdout.split() == ["rollback"]
    assert "--services-only" in run(COMP_WORDS="sluice plan --s", **(asked | {"COMP_CWORD": "2"})).stdout


def test_unsettled():
    """What config names and is not live is told with the way back that there is; of what is held another line says it."""
    live = {"settled": False, "live": {"id": "1-a"}, "configured": "2-a", "named": True, "held": None, "proven": ["1-a"]}
    names = "  config names '2-a', which is not proven: `pulumi up`"
    assert status.unsettled(live) == [f"{names}, or `sluice rollback`"]
    assert status.unsettled(live | {"live": None}) == [names]
    nothing = live | {"live": None, "configured": None, "named": False}
    assert status.unsettled(nothing) == ["  config names no release yet: `sluice release VERSION` brings the first one out"]
    assert status.unsettled(live | {"held": {"release": "3-a"}}) == [f"{names}, or `sluice rollback`"]
    assert status.unsettled(live | {"held": {"release": "2-a"}}) == status.unsettled(live | {"settled": True}) == []


def test_errors(tmp_path: Path):
    """An error is one line on stderr, exit code 1; a wrong word is all that is known of it, before the stack is even looked for."""
    nowhere = run("history", cwd=tmp_path)
    text = f"error: no Pulumi.yaml in '{tmp_path}' or above it: go to the program's folder, or name it with --cwd\n"
    assert (nowhere.returncode, nowhere.stdout, nowhere.stderr) == (1, "", text)
    wrong = run("plan", "--symptom", "fire", cwd=tmp_path)
    assert wrong.stderr.startswith("error: --symptom fire: known are migration, artifact, ")
    no_cli = run("status", "--stack", "x", cwd=main_folder(tmp_path), PATH="/nonexistent")
    assert no_cli.stderr == "error: no `pulumi` on PATH: run `make setup`, then `. scripts/env`, or install Pulumi's CLI\n"


def main_folder(place: Path) -> Path:
    """Return a folder with a program."""
    (place / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    return place


def test_settings():
    """What `release` sets is what one would type; a revision without its database is refused."""
    from sluice.cli.release import settings
    from sluice.core.errors import Refused

    wanted = ["--plaintext", "sluice:release.version=1.10", "--plaintext", "sluice:release.kind=patch"]
    assert settings("1.10", "patch", ["shop=0007"]) == [*wanted, "--plaintext", "sluice:release.schema.shop=0007"]
    assert settings("1.10", None, ["a-b=1", 'c.d=2'])[2:] == [
        "--plaintext", "sluice:release.schema.a-b=1", "--plaintext", 'sluice:release.schema["c.d"]=2',
    ]  # fmt: skip
    with pytest.raises(Refused, match="--schema 0007: write database=revision"):
        settings("1.10", None, ["0007"])


@pytest.mark.parametrize(
    ("version", "kind", "why"),
    [
        (
            "",
            None,
            "sluice:release.version: '' is not a version: letters, digits, '.', '_', '+' and '-', at most 64, a letter or digit first",
        ),
        ("1.0", "huge", "sluice:release.kind: 'huge' is none of 'configuration', 'patch', 'minor', 'major', 'hotfix'"),
    ],
)
def test_no_release(version: str, kind: str | None, why: str):
    """What is no release is told before it is in config: a variable that was never set, or a word mistyped."""
    from sluice.cli.release import settings
    from sluice.core.errors import Refused

    with pytest.raises(Refused) as caught:
        settings(version, kind, [])
    assert str(caught.value) == f"nothing was touched:\n  - {why}"
    with pytest.raises(Refused) as both:
        settings(version, kind, ["shop", "users=0007"])
    assert str(both.value) == f"nothing was touched:\n  - --schema shop: write database=revision\n  - {why}"


@pytest.mark.parametrize(
    ("configured", "said"),
    [
        ("2-b", "config names '2-b', which is not proven: `pulumi up`, or `sluice rollback`"),
        ("0-z", "config names '0-z', which is proven, and not live: `pulumi up` goes there"),
        (None, "config names no release that can be read: `pulumi preview` says why, `sluice abort` writes '1-a' back"),
    ],
)
def test_status_of_config(configured: str | None, said: str, capsys: pytest.CaptureFixture[str]):
    """Status says what config names beside what is live, and what comes next; while it is gone back, how much time is left for that."""
    from sluice.cli.status import show

    found = {"stack": "test", "live": {"id": "1-a", "at": "then"}, "configured": configured, "settled": False, "proven": ["1-a", "0-z"]}
    found |= {"named": True, "traffic": {}, "held": None, "watched": None, "ended": None, "last": None, "pending": [], "locks": []}
    show(found | {"deadline": {"text": "P1: 13m of 15m left"}})
    assert capsys.readouterr().out.splitlines()[1:] == [f"  {said}", "  goes back; P1: 13m of 15m left"]


def test_verbs_are_the_apps():
    """No verb is registered that is not here."""
    assert tuple(command.callback.__name__ for command in main.app.registered_commands if command.callback) == VERBS
