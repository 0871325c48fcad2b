"""The team's Python at work on an Alembic tree: started with little, spoken to in lines, and gone when its parent is."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from configparser import Error as BadIni
from configparser import RawConfigParser
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from sluice.core.errors import ConfigError, MigrationFailed
from sluice.core.migration.alembic import Alembic
from sluice.core.migration.script import LOCK
from sluice.core.secret import PASSWORD, redact, unlocked
from sluice.core.store import Store
from sluice.systems.migration_session import CONNECT, KEEP
from sluice.systems.postgres import private

PROGRAM = Path(__file__).with_name("alembic_child") / "__main__.py"
# What a program needs to start at all; all else the team names.
BASIC = ("PATH", "HOME", "LANG", "TMPDIR")
# Long enough to import large packages from a cold disk.
LOAD = 120.0
SOON = 1.0
# So that the next deployer knows whose a session was.
NAME = "sluice migration"
# Of what it printed: enough for its reason.
TAIL = 2000


class Child:
    """A started program; one line each way at a time."""

    def __init__(self, spec: Alembic, process: subprocess.Popen[str], said: IO[bytes]) -> None:
        self.spec, self.process, self.said = spec, process, said

    def say(self, words: Mapping[str, Any]) -> None:
        """Send one line; one that is gone is noticed by `hear`."""
        assert self.process.stdin
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(words) + "\n")
            self.process.stdin.flush()

    def speaks(self, within: float) -> bool:
        """Wait so many seconds for it to say something, or to end."""
        assert self.process.stdout
        return bool(select.select([self.process.stdout], [], [], within)[0])

    def hear(self, within: float | None = None) -> dict[str, Any] | None:
        """Return the next line; None when the program has ended, or says nothing for so many seconds."""
        assert self.process.stdout
        if within is not None and not self.speaks(within):
            return None
        line = self.process.stdout.readline()
        found: dict[str, Any] | None = json.loads(line) if line.endswith("\n") else None
        return found

    def over(self) -> bool:
        """Say whether it has ended, or is about to, having closed its end."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(SOON)
        return self.process.returncode is not None

    def why(self, within: float) -> str:
        """Say why it gave no answer within so many seconds."""
        return self.last() if self.over() else f"nothing came within {within:.0f} s"

    def last(self) -> str:
        """Return the last line that it printed, as far as it is for people."""
        size = self.said.seek(0, os.SEEK_END)
        self.said.seek(max(0, size - TAIL))
        lines = self.said.read().decode(errors="replace").strip().splitlines()
        return clean(self.spec, lines[-1]) if lines else "it said nothing"


def clean(spec: Alembic, text: str) -> str:
    """Return a text without what the environment handed over, and without any password of a URL."""
    values = [value for name in spec.inherit if len(value := os.environ.get(name, "")) > 3]
    passwords = [found[2] for value in (*values, *spec.environment.values()) for found in PASSWORD.finditer(value)]
    return unlocked(redact(text, [*values, *passwords]))


def located(spec: Alembic) -> tuple[str, str]:
    """Return the folder of `env.py` ("" where only Alembic knows) and the ini file ("" for none); ConfigError when there is neither."""
    folder = Path(spec.folder)
    ini = Path(spec.ini) if spec.ini else folder / "alembic.ini"
    if spec.ini and not ini.is_file():
        raise ConfigError([f"'{spec.ini}' is not there: name the ini file of the Alembic tree '{spec.folder}'"])
    if (folder / "env.py").is_file():
        return str(folder.absolute()), str(ini.absolute()) if ini.is_file() else ""
    if not ini.is_file():
        raise ConfigError([f"'{spec.folder}' has neither env.py nor alembic.ini: name the folder of an Alembic tree"])
    return _said(ini), str(ini.absolute())


def _said(ini: Path) -> str:
    parser = RawConfigParser()
    try:
        parser.read(ini)
    except BadIni as error:
        raise ConfigError([f"'{ini}' cannot be read ({str(error).partition(chr(10))[0]})"]) from None
    place = parser.get("alembic", "script_location", fallback="").replace("%(here)s", str(ini.parent.absolute()))
    return "" if not place or ":" in place else str((ini.parent / place).absolute())


@contextmanager
def started(spec: Alembic, store: Store | None = None) -> Iterator[Child]:
    """Start the program, connected to a database if there is one; whatever happens, none is left behind."""
    folder, ini = located(spec)
    python = spec.python or sys.executable
    with tempfile.TemporaryFile() as said:
        try:
            # Not in this process group: an interrupt is for the deployer, which ends what it has begun.
            process = subprocess.Popen(
                [python, "-I", str(PROGRAM)],
                env=_environment(spec),
                cwd=Path(ini).parent if ini else folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                start_new_session=True,
            )
        except OSError as error:
            raise ConfigError(
                [f"'{python}' cannot be started ({error.strerror}): name the Python of the tree's packages with `python`"]
            ) from None
        try:
            child = Child(spec, process, said)
            more = {"connect": _connection(spec, store)} if store else {}
            child.say({**spec.wire(), "folder": folder, "ini": ini, "path": [str(Path(one).absolute()) for one in spec.path], **more})
            yield child
        finally:
            process.kill()
            process.communicate()


def first(child: Child) -> dict[str, Any]:
    """Return the first answer; ConfigError when the tree cannot be loaded."""
    found = child.hear(LOAD)
    if found and "error" not in found:
        return found
    why = clean(child.spec, found["error"]) if found else child.why(LOAD)
    raise ConfigError([f"the Alembic tree '{child.spec.folder}' cannot be loaded: {why}"])


def asked(child: Child, words: Mapping[str, Any], within: float, what: str) -> dict[str, Any]:
    """Ask for something that is no revision, and return the answer; MigrationFailed when none comes within so many seconds."""
    limits = {"lock": milliseconds(LOCK), "statement": milliseconds(within), "name": NAME}
    child.say({**words, **limits})
    found = child.hear(within)
    if found is None or "error" in found:
        raise MigrationFailed(f"{what}: {clean(child.spec, found['error']) if found else child.why(within)}")
    return found


def milliseconds(seconds: float) -> str:
    """Write a time limit as the server reads it."""
    return f"{max(1, round(seconds * 1000))}ms"


def lost(child: Child, name: str) -> MigrationFailed:
    """Return what is said when the program ended, or hung up, in the middle of a revision."""
    over = child.over()
    child.process.kill()
    code = child.process.wait()
    how = "hung up, and was ended" if not over else f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
    why = f"its Python {how} ({child.last()})"
    return MigrationFailed(f"migration '{name}' failed: {why}; its transaction is gone unless it had just committed: `pulumi up` finds out")


def _environment(spec: Alembic) -> dict[str, str]:
    missing = [name for name in spec.inherit if name not in os.environ]
    if missing:
        raise ConfigError([f"'{spec.folder}' inherits {', '.join(missing)}, not set on the machine that deploys: export {missing[0]}=..."])
    kept = {name: os.environ[name] for name in (*BASIC, *spec.inherit) if name in os.environ}
    return {**kept, **spec.environment}


def _connection(spec: Alembic, store: Store) -> dict[str, Any]:
    private(store.passfile or None)
    path = {"options": "-c search_path=" + spec.search_path.replace("\\", "\\\\").replace(" ", "\\ ")} if spec.search_path else {}
    return {**store.of, **KEEP, **path, "connect_timeout": CONNECT, "application_name": NAME, "client_encoding": "utf8"}
