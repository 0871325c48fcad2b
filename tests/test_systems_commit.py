"""Whether a checkout is as it was committed, by a real git."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from sluice.systems.commit import uncommitted

CONFIG = ["Pulumi.dev.yaml"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a committed program, in a folder of a repository."""
    if shutil.which("git") is None:
        pytest.skip("no git here: install it")
    program = tmp_path / "deploy"
    program.mkdir()
    for name in ("__main__.py", "Pulumi.dev.yaml"):
        (program / name).write_text("\n")
    (tmp_path / "other.txt").write_text("\n")
    author = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for words in (["init", "-q"], ["add", "-A"], [*author, "commit", "-q", "-m", "all"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    return program


def test_clean(clone: Path):
    """Nothing is told of a folder as it was committed, of the stack's own config, and of what is beside the folder."""
    assert list(uncommitted(str(clone), [])) == []
    (clone / "Pulumi.dev.yaml").write_text("config: {}\n")
    (clone.parent / "other.txt").write_text("changed\n")
    assert list(uncommitted(str(clone), CONFIG)) == []


def test_changed(clone: Path):
    """Files that were changed, added and removed are named, the first of them, with the command that shows all."""
    (clone / "__main__.py").unlink()
    (clone / "Pulumi.dev.yaml").write_text("config: {}\n")
    (clone / "my plan.txt").write_text("\n")
    where = f"folder '{clone}' has changes that are not committed"
    assert list(uncommitted(str(clone), CONFIG)) == [f"{where}: __main__.py, my plan.txt; run: git -C {clone} status"]
    for number in range(3):
        (clone / f"{number}.sql").write_text("\n")
    assert list(uncommitted(str(clone), CONFIG)) == [f"{where}: __main__.py, 0.sql, 1.sql and 2 more; run: git -C {clone} status"]


def test_no_checkout(tmp_path: Path):
    """A folder that is in no repository is refused: nobody could have it again."""
    (why,) = uncommitted(str(tmp_path), [])
    assert why.startswith(f"folder '{tmp_path}' is no git checkout (fatal: not a git repository")
    assert why.endswith("): release from a clone")


def test_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Without git nothing can be said of it, and that is said."""
    monkeypatch.setenv("PATH", "")
    told = "executable 'git' is not on PATH, and changes that are not committed are refused: install it"
    assert list(uncommitted(str(tmp_path), [])) == [told]
