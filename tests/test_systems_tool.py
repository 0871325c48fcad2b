"""Client programs as processes."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import psutil
import pytest

from sluice.core.errors import BackupFailed, Interrupted
from sluice.core.store import Store
from sluice.systems import tool

STORE = Store(host="db", user="u", passfile="/secret", dbname="shop")
ENV = {"PATH": "/usr/bin:/bin"}


def python(code: str) -> list[str]:
    """Build the run of a small program."""
    return [sys.executable, "-I", "-S", "-c", code]


def nothing() -> None:
    """Look at nothing."""


def test_env(monkeypatch: pytest.MonkeyPatch):
    """A client knows where programs and the password are, and nothing else of ours."""
    monkeypatch.setenv("PGPASSWORD", "planted")
    monkeypatch.setenv("PATH", "/b")
    wanted = {"PATH": "/b", "LC_ALL": "C", "PGCONNECT_TIMEOUT": "10", "PGPASSFILE": "/secret", "PGOPTIONS": "x"}
    assert tool.env(STORE, PGOPTIONS="x") == wanted
    assert "PGPASSFILE" not in tool.env(STORE.model_copy(update={"passfile": ""}))


def test_fails():
    """A program that fails is told by its exit code and its own last lines."""
    code = "import sys\nfor n in range(9): print('line', n, file=sys.stderr)\nsys.exit(3)"
    wanted = f"{Path(sys.executable).name} failed with exit code 3\n  - " + "\n  - ".join(f"line {n}" for n in range(1, 9))
    with pytest.raises(BackupFailed, match=f"^{re.escape(wanted)}$"):
        tool.run(python(code), ENV, nothing)


def test_killed():
    """A program that was killed is told by the signal."""
    with pytest.raises(BackupFailed, match=f"^{Path(sys.executable).name} was killed by signal 9$"):
        tool.run(python("import os; os.kill(os.getpid(), 9)"), ENV, nothing)


def test_error_line(tmp_path: Path):
    """A program that exits with 0 after it has said an error has failed; its warnings are handed on."""
    fake = tmp_path / "pg_dump"
    fake.write_text("#!/bin/sh\necho 'pg_dump: warning: odd' >&2\necho \"$1\" >&2\n")
    fake.chmod(0o755)
    assert tool.run([str(fake), "fine"], ENV, nothing) == ["pg_dump: warning: odd"]
    wanted = "pg_dump failed with exit code 0\n  - pg_dump: warning: odd\n  - pg_dump: error: no"
    with pytest.raises(BackupFailed, match=f"^{re.escape(wanted)}$"):
        tool.run([str(fake), "pg_dump: error: no"], ENV, nothing)


def test_missing():
    """A program that is not installed is told with what to do."""
    wanted = "'/no/pg_dump' cannot be started (No such file or directory): install it, or point `tools` to its folder"
    with pytest.raises(BackupFailed, match=f"^{re.escape(wanted)}$"):
        tool.run(["/no/pg_dump"], ENV, nothing)


def test_look(monkeypatch: pytest.MonkeyPatch):
    """Who looks may stop a program, which then is gone."""
    monkeypatch.setattr(tool, "LOOK", 0.05)

    def stop() -> None:
        raise Interrupted("stop")

    begun = time.monotonic()
    with pytest.raises(Interrupted, match=r"^stop$"), tool.running(python("import time; time.sleep(60)"), ENV) as program:
        program.wait(stop)
    assert time.monotonic() - begun < 10
    assert not psutil.pid_exists(program.process.pid)


def test_private(tmp_path: Path):
    """A file that a program makes is its user's alone."""
    target = tmp_path / "made"
    tool.run(python(f"open({str(target)!r}, 'w').write('x')"), ENV, nothing)
    assert target.stat().st_mode & 0o777 == 0o600


def test_words():
    """A short program's answer is all that it says."""
    assert tool.words(python("import sys; print('a'); print('b', file=sys.stderr); sys.exit(2)"), ENV) == (2, "a\nb")
