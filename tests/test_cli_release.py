"""How `sluice release` begins, and how it ends where nobody can be asked; test_engine_rollback and test_engine_matrix have the rest."""

from __future__ import annotations

import os
import pty
import select
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from sluice.cli import ends
from sluice.cli.release import after, done
from sluice.history.pulumi import Pulumi
from tests.fixtures.sluice import SLUICE
from tests.test_history_updates import pulumi

__all__ = ["pulumi"]
PROGRAM = """
import pulumi
version = pulumi.Config("sluice").require_object("release")["version"]
if version == "0.9":
    raise ValueError("too old")
pulumi.log.info(f"this would be {version}")
"""


def typed(one: Pulumi, *words: str, answer: str) -> tuple[int, str]:
    """Run the verb on a terminal, where somebody answers its question; return its exit code and all that the terminal showed."""
    master, slave = pty.openpty()
    streams = {"stdin": slave, "stdout": slave, "stderr": slave}
    child = subprocess.Popen([str(SLUICE), "release", *words], cwd=one.folder, start_new_session=True, **streams)
    os.close(slave)
    said, asked = b"", False
    with suppress(OSError):  # the last one who writes to it has gone
        while select.select([master], [], [], 120)[0] and (part := os.read(master, 4096)):
            said += part
            # What is typed while the preview is at work is its own: it reads the terminal too.
            if b"[y/N]" in said and not asked:
                asked = True
                os.write(master, answer.encode())
    os.close(master)
    return child.wait(60), said.decode()


def test_asked(pulumi: Pulumi):
    """What the update would do is shown before the question; who says no has changed nothing, and so has a preview that fails."""
    (pulumi.folder / "__main__.py").write_text(PROGRAM)
    config = pulumi.folder / "Pulumi.test.yaml"
    subprocess.run(["pulumi", "config", "set", "--path", "sluice:release.version", "1.0"], cwd=pulumi.folder, check=True)
    before = config.read_text()
    code, said = typed(pulumi, "1.1", answer="n\n")
    assert (code, config.read_text()) == (1, before)
    assert 0 < said.index("this would be 1.1") < said.index("release 1.1 to 'test'? [y/N]")
    code, said = typed(pulumi, "1.1", "--skip-preview", answer="n\n")
    assert (code, "this would be" in said, config.read_text()) == (1, False, before)
    code, said = typed(pulumi, "0.9", "--yes", answer="")
    assert (code, config.read_text()) == (1, before)
    assert "too old" in said
    assert (
        said.splitlines()[-1]
        == "error: the preview has failed, as the update would: nothing was touched, nor was config; mend it, then again"
    )


def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pulumi:
    """Return a stack whose backend does not answer."""
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pulumi").write_text("#!/bin/sh\necho 'error: no route to the backend' >&2\nexit 255\n")
    (tmp_path / "bin" / "pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return Pulumi(tmp_path, "prod")


def test_when_nobody_can_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """An update that has failed was not refused, also where its stack, or a database, cannot be asked how to go back: a person decides."""
    assert after(far(tmp_path, monkeypatch), "1.0.0-a", [], None, revert=True) == ends.OPEN
    told = capsys.readouterr()
    assert told.err == "error: `pulumi whoami --verbose --json`: no route to the backend\n"
    assert told.out == (
        "nothing is done by itself: how to go back cannot be found out now\n"
        "  to try again: pulumi up --stack prod; to go back: sluice rollback --stack prod\n"
    )


def test_done_and_nobody_can_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """An update that has gone through was not refused either where its stack cannot be asked afterwards: what is live is not known."""
    assert done(far(tmp_path, monkeypatch), 0.0) == ends.LEFT
    told = capsys.readouterr()
    assert told.err == "error: `pulumi whoami --verbose --json`: no route to the backend\n"
    assert told.out == "the update has gone through, and what is live cannot be found out now: `sluice status --stack prod`\n"
