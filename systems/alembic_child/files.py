"""What ties the code: the files that were loaded and read, and their SHA-256."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import source_from_cache
from pathlib import Path
from typing import Any

from sluice.systems.alembic_child.tree import Tree

# What was opened to be read.
OPENED: set[str] = set()
WRITES = os.O_WRONLY | os.O_RDWR
BLOCK = 1 << 20
# Nanoseconds in which two writes may get the same time: more than the tick of any file system.
TICK = 2_000_000_000


def watch() -> None:
    """Remember from here on what is opened to be read: a revision may have its statements in a file."""

    def hook(event: str, given: Any) -> None:
        if event == "open" and isinstance(given[0], str | bytes) and not given[2] & WRITES:
            OPENED.add(os.path.abspath(os.fsdecode(given[0])))  # noqa: PTH100

    sys.addaudithook(hook)


def loaded(tree: Tree) -> set[str]:
    """Return the files of the team's code that were loaded, and those that it has read: all but what the Python itself brings.

    A revision's own file is none of them.
    """
    roots = [os.path.realpath(one) for one in (tree.folder, *tree.spec["path"])]
    own = [os.path.realpath(one) for one in (sys.prefix, sys.base_prefix)]
    found = _code() | _data(tree, roots)
    team = {file for file in found if _within(file, roots) or not _within(file, own)}
    return {one for one in team | {os.path.realpath(one) for one in _config(tree)} if Path(one).is_file()}


def _code() -> set[str]:
    modules = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items()) if not _here(name)}
    return {_real(file) for file in modules.values() if file}


def _data(tree: Tree, roots: list[str]) -> set[str]:
    """Return what was read in the tree, in the folders of its imports, and beside its ini; elsewhere a system has its own files."""
    home = [os.path.realpath(os.path.dirname(tree.spec["ini"]))] if tree.spec["ini"] else []  # noqa: PTH120
    revisions = {_real(one.path) for one in tree.revisions()}
    return {file for one in list(OPENED) if _within(file := _source(_real(one)), [*roots, *home])} - revisions


def _source(file: str) -> str:
    """Return the source of compiled code: which of the two is read depends on whether it was read before."""
    try:
        return source_from_cache(file) if file.endswith(".pyc") else file
    except ValueError:
        return file


def _config(tree: Tree) -> Iterator[str]:
    if tree.spec["env"]:
        yield str(tree.folder / "env.py")
    if tree.spec["ini"]:
        yield tree.spec["ini"]


def _here(name: str) -> bool:
    return name == "__main__" or name.startswith(f"{__package__}.")


def _within(file: str, roots: list[str]) -> bool:
    return any(file == root or file.startswith(root.rstrip(os.sep) + os.sep) for root in roots)


@cache
def _real(file: str) -> str:
    # Asked for each of some thousand modules before each commit.
    return os.path.realpath(file)


def prints(files: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of each file, "" of one that is gone."""
    return {one: _print(one) for one in sorted(files)}


def _print(file: str) -> str:
    """Read a file once for as long as the file system says that it is the same: some thousand are asked for with each revision."""
    try:
        seen = Path(file).stat()
    except OSError:
        return ""
    if not stat.S_ISREG(seen.st_mode):
        return ""
    # No program sets st_ctime, and every write does; but two writes within a tick of the clock have the same.
    if time.time_ns() - seen.st_ctime_ns < TICK:
        return _sha256(file)
    return _known(file, seen.st_dev, seen.st_ino, seen.st_size, seen.st_ctime_ns)


@cache
def _known(file: str, *_same: int) -> str:
    return _sha256(file)


def _sha256(file: str) -> str:
    found = hashlib.sha256()
    with Path(file).open("rb") as read:
        # Rows to load may be more than fit into memory.
        while part := read.read(BLOCK):
            found.update(part)
    return found.hexdigest()
