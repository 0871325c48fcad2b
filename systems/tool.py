"""Client programs of a database: each its own process with its own exit code, no shell, no terminal, no password in sight."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import IO, Any

from sluice.core.errors import BackupFailed
from sluice.core.store import Store

CONNECT = 10
# How often a running program's owner looks whether it may go on: each look is a round trip to the server.
LOOK = 1.0
# A question to a client program is answered in milliseconds.
SHORT = 60.0
# Of what a program said: enough for its reason, and what belongs to it.
LINES = 8
# Where a server says which row it stumbled over, it quotes the row.
ROW = re.compile(r"(COPY .*, line \d+).*")
TAIL = 16_384

Look = Callable[[], None]


def env(store: Store, **more: str) -> dict[str, str]:
    """Return all that a client program may know: where programs are, where the password is, and a language to parse."""
    secret = {"PGPASSFILE": store.passfile} if store.passfile else {}
    fixed = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "PGCONNECT_TIMEOUT": str(CONNECT)}
    return {**fixed, **secret, **more}


class Running:
    """A program that has been started; `feed` is its stdin when it was asked for."""

    def __init__(self, argv: Sequence[str], process: subprocess.Popen[bytes], said: IO[bytes]) -> None:
        self.argv, self.process, self.said = argv, process, said
        # A wait with a limit polls in Popen, up to 50 ms late, for each of a backup's programs; a thread is woken at once.
        self.waiter = Thread(target=process.wait, daemon=True)
        self.waiter.start()

    @property
    def over(self) -> bool:
        """Say whether it has ended."""
        return self.process.poll() is not None

    @property
    def feed(self) -> IO[bytes]:
        """Return its stdin."""
        assert self.process.stdin is not None
        return self.process.stdin

    def wait(self, look: Look) -> list[str]:
        """Wait for its end and return its warnings; BackupFailed when it failed, or said that it did. `look` may raise to stop it."""
        while not self.ended(LOOK):
            look()
        code, lines = self.process.wait(), self.lines()
        if code != 0 or any(f"{name(self.argv)}: error:" in line for line in lines):
            raise BackupFailed(f"{name(self.argv)} {_ended(code)}", lines[-LINES:])
        return [line for line in lines if "warning:" in line]

    def ended(self, within: float) -> bool:
        """Wait up to so many seconds for its end, and say whether it has come."""
        self.waiter.join(within)
        return not self.waiter.is_alive()

    def lines(self) -> list[str]:
        """Return the last lines that it said."""
        size = self.said.seek(0, os.SEEK_END)
        self.said.seek(max(0, size - TAIL))
        return [ROW.sub(r"\1", line) for line in self.said.read().decode(errors="replace").splitlines() if line.strip()]

    def end(self) -> None:
        """Kill it if it still runs: what it writes is thrown away."""
        if not self.over:
            self.process.kill()
        self.process.wait()


def name(argv: Sequence[str]) -> str:
    """Return a program's name without its folder."""
    return Path(argv[0]).name


def _ended(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"failed with exit code {code}"


@contextmanager
def running(argv: Sequence[str], env: Mapping[str, str], *, stdin: IO[bytes] | int | None = None, stdout: Any = None) -> Iterator[Running]:
    """Start a program and, whatever happens, leave none behind. Files that it makes are its user's alone (0600)."""
    null = subprocess.DEVNULL
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(argv, env=env, stdin=stdin or null, stdout=stdout or null, stderr=said, umask=0o077, cwd="/")
        except OSError as error:
            raise BackupFailed(f"'{argv[0]}' cannot be started ({error.strerror}): install it, or point `tools` to its folder") from None
        program = Running(argv, process, said)
        try:
            yield program
        finally:
            program.end()
            if process.stdin:
                _shut(process.stdin)


def _shut(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except BrokenPipeError:
        return


def run(argv: Sequence[str], env: Mapping[str, str], look: Look, *, stdin: IO[bytes] | None = None, stdout: Any = None) -> list[str]:
    """Run a program to its end and return its warnings; BackupFailed when it failed."""
    with running(argv, env, stdin=stdin, stdout=stdout) as program:
        return program.wait(look)


def words(argv: Sequence[str], env: Mapping[str, str]) -> tuple[int, str]:
    """Run a short program and return its exit code and all that it said."""
    with tempfile.TemporaryFile() as out, running(argv, env, stdout=out) as program:
        if not program.ended(SHORT):
            raise BackupFailed(f"{name(argv)} does not end: {' '.join(argv)} took more than {SHORT:g} s")
        out.seek(0)
        return program.process.wait(), out.read().decode(errors="replace") + "\n".join(program.lines())
