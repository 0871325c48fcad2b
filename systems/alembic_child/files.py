"""What ties the code: the files that were loaded, and their SHA-256."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from sluice.systems.alembic_child.tree import Tree


def loaded(tree: Tree) -> set[str]:
    """Return the files of the team's code that were loaded, `env.py` and its ini with them: all but what the Python itself brings."""
    roots = [os.path.realpath(one) for one in (tree.folder, *tree.spec["path"])]
    own = [os.path.realpath(one) for one in (sys.prefix, sys.base_prefix)]
    modules = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items()) if not _here(name)}
    files = {os.path.realpath(file) for file in modules.values() if file}
    team = {file for file in files if _within(file, roots) or not _within(file, own)}
    return {one for one in team | {os.path.realpath(one) for one in _config(tree)} if Path(one).is_file()}


def _config(tree: Tree) -> Iterator[str]:
    if tree.spec["env"]:
        yield str(tree.folder / "env.py")
    if tree.spec["ini"]:
        yield tree.spec["ini"]


def _here(name: str) -> bool:
    return name == "__main__" or name.startswith(f"{__package__}.")


def _within(file: str, roots: list[str]) -> bool:
    return any(Path(file).is_relative_to(root) for root in roots)


def prints(files: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of each file, "" of one that is gone."""
    return {one: hashlib.sha256(Path(one).read_bytes()).hexdigest() if Path(one).is_file() else "" for one in sorted(files)}
