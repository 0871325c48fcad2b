"""Files that are whole or not there: written beside their name, synced, and renamed; changed under a lock."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sluice.core.errors import Unreachable
from sluice.core.question import Question, expect
from sluice.core.reading import NoData, Number, Reading
from sluice.systems import holder

# Readable by all: the callers with a secret say 0o600.
MODE = 0o644
# How long to wait for a lock, in seconds: starts of programs hold one for seconds, and queue. How often to try, too.
LIMIT, POLL = 60.0, 0.01
# What running or checking out code leaves beside it, and what is no part of what runs.
LITTER = ("__pycache__", ".git")
QUESTIONS = {
    "files.age": Question(needs=("path",)),
    "files.size": Question(needs=("path",)),
    "files.free": Question(needs=("path",)),
}


def write(path: Path, text: str, *, mode: int = MODE) -> None:
    """Replace a file's content in one step: a reader sees the old text or the new one, also after a power cut.

    Unreachable when there is no room, or no right to write there.
    """
    try:
        _replace(path, text, mode)
    except OSError as error:
        raise Unreachable(f"'{path}' cannot be written ({error.strerror}): mend that, then `pulumi up`") from None


def _replace(path: Path, text: str, mode: int) -> None:
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(folder: Path) -> None:
    """Make renames in a folder last."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def lock(path: Path, *, limit: float = LIMIT) -> Iterator[None]:
    """Hold an exclusive lock on a file until the block ends, or the process does. Unreachable where whoever has it keeps it for `limit`
    seconds."""
    with path.open("a") as file:
        _take(file.fileno(), path, limit)
        yield


def _take(handle: int, path: Path, limit: float) -> None:
    end = time.monotonic() + limit
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise Unreachable(f"'{path}' was not free within {limit:g} s: {holder.said(handle, path)}") from None
        time.sleep(POLL)


def read(path: Path) -> Any:
    """Return a file's JSON, None when there is no such file; a file that is no JSON is Unreachable."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Unreachable(f"'{path}' cannot be read as JSON ({type(error).__name__}): restore or remove it") from None


def tail(path: Path, lines: int, *, since: int = 0) -> list[str]:
    """Return a text file's last lines, none from before the byte `since`; [] when there is no such file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            # Lines beyond 4 KiB each are cut: a log may hold anything.
            file.seek(max(since if since <= size else 0, size - lines * 4096))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return [line for line in text.splitlines() if line.strip()][-lines:]


def digest(folder: Path) -> str:
    """Return the SHA-256 of a folder's files: names, executable bits, contents, and the targets of links; litter left out.

    Unreachable when there is no such folder.
    """
    import hashlib

    there(folder)
    total = hashlib.sha256()
    for path in sorted(_files(folder), key=lambda path: path.relative_to(folder).as_posix()):
        kind = "link" if path.is_symlink() else "run" if path.stat().st_mode & 0o100 else "file"
        content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        header = f"{path.relative_to(folder).as_posix()}\0{kind}\0{len(content)}\0"
        total.update(header.encode() + content)
    return total.hexdigest()


def there(folder: Path) -> None:
    """Refuse a folder that is gone."""
    if not folder.is_dir():
        raise Unreachable(f"the folder '{folder}' does not exist: bring it back, or point the artifact to where it is")


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in LITTER:
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _files(path)
        else:
            yield path


def copy(source: Path, target: Path, *, expected: str) -> None:
    """Copy a folder whose digest is known: the target is that, whole, or not there. One that is there already is kept.

    Unreachable when the source is gone, or is no longer what was declared.
    """
    if target.exists():
        return
    there(source)
    beside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        shutil.copytree(source, beside, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*LITTER))
        beside.chmod(0o755)
        if (seen := digest(beside)) != expected:
            why = f"'{source}' has changed since it was declared (SHA-256 {seen[:12]}, expected {expected[:12]})"
            raise Unreachable(f"{why}: run `pulumi up` again")
        beside.rename(target)
    except OSError:
        # Another process was first: a folder that is not empty cannot be renamed over.
        if not target.exists():
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def ask(question: str, of: dict[str, Any], timeout: float) -> Reading:
    """Answer a question about `path`.

    `files.age`: seconds since it was last changed; `files.size`: its bytes; `files.free`: bytes free for a normal user
    on its file system. A path that is not there is no data.
    """
    expect(question, of, QUESTIONS)
    path = Path(of["path"])
    try:
        if question == "files.free":
            return Number(value=float(shutil.disk_usage(path).free), evidence=str(path))
        facts = path.stat()
    except FileNotFoundError:
        return NoData(f"'{path}' does not exist")
    except OSError as error:
        raise Unreachable(f"'{path}' cannot be looked at: {error.strerror}") from None
    return Number(value=time.time() - facts.st_mtime if question == "files.age" else float(facts.st_size), evidence=str(path))
