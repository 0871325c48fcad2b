"""The journal's file: lines are added at its end by any number of processes, and none is ever changed.

A line is one write, synced. A process that dies in it leaves a torn line, which the next writer closes and readers skip.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sluice.core.errors import SluiceError, Unreachable
from sluice.core.journal import Event, Source, parse
from sluice.core.secret import named
from sluice.systems import secret

# Names and numbers of people are in it.
MODE = 0o640
# Whoever holds the lock writes one line. Longer than this, and it stands still: then the line is written without the lock, which
# only keeps a torn line apart from the next one.
PATIENCE = 0.5
GLANCE = 0.01
# Variables that hold what nobody should read, by a part of their name; a shorter value would black out text that says nothing.
TELLING = ("PASSWORD", "PASSPHRASE", "TOKEN", "SECRET", "CREDENTIAL", "API_KEY", "ACCESS_KEY", "PRIVATE_KEY")
SHORTEST = 6


def append(path: Path, line: str) -> None:
    """Add a line. Unreachable when it cannot be written whole; the file is as it was then."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, MODE)
        try:
            with _locked(handle) as held:
                # A word of a command line may be no text at all, and whoever takes traffic back must not end here.
                _write(handle, line.encode(errors="replace") + b"\n", held)
        finally:
            os.close(handle)
    except OSError as error:
        raise Unreachable(f"the journal '{path}' cannot be written ({error.strerror})") from None


def write(source: Source, said: Mapping[str, Any], secrets: Sequence[str], *, at: float | None = None) -> None:
    """Add an event, of which `said` has what is not the source's, at a time in seconds since the epoch (now). As `append`."""
    when = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    shared = {"stack": source.stack, "run": source.run, "actor": source.actor}
    append(Path(source.path), Event.read({**shared, "at": when, **said}).line(secrets))


def _write(handle: int, line: bytes, held: bool) -> None:
    end = os.fstat(handle).st_size
    whole = b"\n" + line if end and os.pread(handle, 1, end - 1) != b"\n" else line
    written = os.write(handle, whole)
    if written < len(whole):
        if held:
            os.ftruncate(handle, end)
        raise OSError(0, f"{written} of {len(whole)} bytes: is the disk full?")
    os.fsync(handle)


@contextmanager
def _locked(handle: int) -> Iterator[bool]:
    """Hold the file's lock, which ends with the process; say whether it could be had."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                yield False
                return
            time.sleep(GLANCE)
        else:
            yield True
            return


def read(path: Path) -> tuple[list[Event], int]:
    """Return all events in the order of their lines, and how many lines say nothing: torn ones, and those of a newer Sluice.

    No file is no events; Unreachable when there is one that cannot be read.
    """
    try:
        lines = path.read_bytes().decode(errors="replace").split("\n")
    except FileNotFoundError:
        return [], 0
    except OSError as error:
        raise Unreachable(f"the journal '{path}' cannot be read ({error.strerror})") from None
    found = [parse(line) for line in lines if line.strip()]
    return [event for event in found if event], found.count(None)


def secrets(given: Any) -> list[str]:
    """Return what a step's inputs refer to as a secret (`env:NAME`, `file:/path`, a passfile), and what the environment calls one."""
    told = [value for name, value in os.environ.items() if any(word in name.upper() for word in TELLING)]
    return [text for text in (*_referred(given), *told) if len(text) >= SHORTEST]


def _referred(given: Any) -> Iterator[str]:
    if isinstance(given, Mapping):
        for key, value in given.items():
            yield from _passwords(value) if key == "passfile" and isinstance(value, str) else _referred(value)
    elif isinstance(given, str):
        if named(given):
            with suppress(SluiceError):
                yield secret.resolve(given).reveal()
    elif isinstance(given, Sequence):
        for one in given:
            yield from _referred(one)


def _passwords(passfile: str) -> Iterator[str]:
    """Yield the last field of each line (host:port:database:user:password), in which a colon and a backslash are escaped."""
    with suppress(OSError, UnicodeDecodeError):
        for line in Path(passfile).read_text().splitlines():
            fields = line.replace("\\\\", "\0").replace("\\:", "\1").split(":", 4)
            yield from [fields[4].replace("\1", ":").replace("\0", "\\")] if len(fields) == 5 else []
