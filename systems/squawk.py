"""squawk, a linter of PostgreSQL's SQL, asked about migrations: a process for each file, which reads it from stdin."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sluice.core.errors import BackupFailed
from sluice.core.migration.file import Migration
from sluice.core.migration.lint import Alarm, alarms, written
from sluice.systems.tool import SHORT, running

# It says "findings" and "none" by its exit code; anything else is no answer.
ANSWERS = (0, 1)


def lint(migrations: Sequence[Migration]) -> tuple[dict[str, list[Alarm]], str]:
    """Return squawk's findings by migration's id, and a sentence when it could not be asked: our own rules hold without it."""
    program = binary()
    if program is None:
        return {}, "squawk is not installed, so its rules were not asked: run pip install squawk-cli"
    try:
        return {one.id: _asked(program, one) for one in migrations}, ""
    except (BackupFailed, ValueError, OSError) as error:
        return {}, f"squawk gave no answer, so its rules were not asked: {str(error).splitlines()[0]}"


def binary() -> str | None:
    """Return where squawk is: beside this Python, or on PATH."""
    return shutil.which("squawk", path=str(Path(sys.executable).parent)) or shutil.which("squawk")


def _asked(program: str, migration: Migration) -> list[Alarm]:
    # Its own file of settings is not looked for: what counts here is said in core.migration.lint.
    words = [program, "--reporter", "Json", "--stdin-filepath", f"{migration.name}.sql"]
    words += ["--assume-in-transaction"] if migration.forward.transactional else []
    with tempfile.TemporaryFile() as text, tempfile.TemporaryFile() as out:
        text.write(written(migration).encode())
        text.seek(0)
        with running(words, {}, stdin=text, stdout=out) as asked:
            if not asked.ended(SHORT):
                raise ValueError(f"it took more than {SHORT:g} s")
            if (code := asked.process.wait()) not in ANSWERS:
                raise ValueError(f"exit code {code}")
        out.seek(0)
        return alarms(migration, out.read().decode())
