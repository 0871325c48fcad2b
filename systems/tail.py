"""Reading lines from the end of a file, and on through the files it was rotated to, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

# One read for about 300 lines; memory stays at a block and a line, whatever the file's size.
BLOCK = 64 * 2**10


def backwards(path: Path, *, offset: int = 0) -> Iterator[str]:
    """Yield the lines of a log, newest first, then those of path.1, path.2, ... as long as there are any.

    With `offset`, in bytes, only lines that begin there or later. A file that is shorter by now was rotated: then the place
    is in path.1, and older files are not read.
    """
    for number in count():
        file = path.with_name(f"{path.name}.{number}") if number else path
        if not file.exists():
            return
        rotated = file.stat().st_size < offset
        yield from _file(file, 0 if rotated else offset)
        if offset and not rotated:
            return


def _file(path: Path, offset: int) -> Iterator[str]:
    with path.open("rb") as file:
        at = file.seek(0, 2)
        # The pieces of a line that began before the last block, last piece first.
        rest: list[bytes] = []
        while at > offset:
            size = min(BLOCK, at - offset)
            at = file.seek(at - size)
            first, *others = file.read(size).split(b"\n")
            if others:
                yield from _text(others.pop(), *rest)
                for line in reversed(others):
                    yield from _text(line)
                rest = []
            rest.insert(0, first)
        yield from _text(*rest)


def _text(*pieces: bytes) -> Iterator[str]:
    line = b"".join(pieces).decode(errors="replace").rstrip("\r")
    if line:
        yield line
