"""The files of a backup: hashed, synced, encrypted, compared with what was written down."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sluice.core.backup.manifest import DRILLED, MANIFEST, REHEARSED, Part
from sluice.systems.files import sync, write
from sluice.systems.tool import run

# Memory stays flat, whatever the size of a dump.
CHUNK = 1 << 20
SEALED = ".enc"

Look = Callable[[], None]


def parts(folder: Path, look: Look, *, jobs: int = 1) -> tuple[Part, ...]:
    """Make all files of a folder last, and describe them, so many at once; each is its user's alone."""
    # Threads do: hashing and syncing let go of the interpreter.
    with ThreadPoolExecutor(jobs) as pool:
        return tuple(pool.map(lambda path: _part(path, folder, look), _files(folder)))


def _part(path: Path, folder: Path, look: Look) -> Part:
    path.chmod(0o600)
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return Part(name=path.relative_to(folder).as_posix(), size=path.stat().st_size, sha256=digest(path, look))


def digest(path: Path, look: Look) -> str:
    """Return a file's SHA-256; `look` is called between chunks and may raise to stop."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        for count, chunk in enumerate(iter(lambda: file.read(CHUNK), b"")):
            total.update(chunk)
            if count % 256 == 255:
                look()
    return total.hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def seal(folder: Path, parts: Sequence[Part], encrypt: Sequence[str], env: Mapping[str, str], look: Look) -> tuple[Part, ...]:
    """Encrypt each file into `<name>.enc` with a command that reads stdin and writes stdout."""
    return tuple(_sealed(folder, part, encrypt, env, look) for part in parts)


def _sealed(folder: Path, part: Part, encrypt: Sequence[str], env: Mapping[str, str], look: Look) -> Part:
    target = folder / f"{part.name}{SEALED}"
    with (folder / part.name).open("rb") as source, target.open("xb") as file:
        os.fchmod(file.fileno(), 0o600)
        run(encrypt, env, look, stdin=source, stdout=file)
        os.fsync(file.fileno())
    return part.model_copy(update={"sealed_size": target.stat().st_size, "sealed_sha256": digest(target, look)})


def settle(partial: Path, target: Path, name: str, text: str) -> None:
    """Write the last file of a folder, make it all last, and give the folder its name."""
    write(partial / name, text, mode=0o600)
    for folder in {path.parent for path in _files(partial)}:
        sync(folder)
    partial.rename(target)
    sync(target.parent)
    sync(target.parent.parent)


def wrong(folder: Path, parts: Sequence[Part], look: Look) -> list[str]:
    """Return every difference between files and their descriptions, each a sentence.

    A file that exists only encrypted is fine when that copy is right: it was sealed before it left.
    """
    problems = [problem for part in parts for problem in _wrong(folder, part, look)]
    named = {part.name for part in parts} | {f"{part.name}{SEALED}" for part in parts} | {MANIFEST, DRILLED, REHEARSED}
    strays = [path.relative_to(folder).as_posix() for path in _files(folder)]
    return problems + [f"{stray}: in the folder, not in the manifest" for stray in strays if stray not in named]


def _wrong(folder: Path, part: Part, look: Look) -> list[str]:
    sealed = []
    if part.sealed_sha256 is not None and part.sealed_size is not None:
        sealed = _other(folder / f"{part.name}{SEALED}", f"{part.name}{SEALED}", part.sealed_size, part.sealed_sha256, look)
        if not sealed and not (folder / part.name).exists():
            return []
    return [*sealed, *_other(folder / part.name, part.name, part.size, part.sha256, look)]


def _other(path: Path, name: str, size: int, sha256: str, look: Look) -> list[str]:
    if not path.is_file():
        return [f"{name}: is gone"]
    if (seen := path.stat().st_size) != size:
        return [f"{name}: {seen} bytes, {size} in the manifest"]
    if (hash := digest(path, look)) != sha256:
        return [f"{name}: SHA-256 {hash[:12]}, {sha256[:12]} in the manifest"]
    return []
