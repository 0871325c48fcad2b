"""The updates of a stack, newest first: from the files of a file backend, with their exact config, else from the CLI."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sluice.core.errors import Unreachable
from sluice.core.update import Update, raw, shown
from sluice.history.pulumi import Pulumi, place

ENTRY, STATE = ".history.json", ".checkpoint.json"
PACKED = ".gz"
# The CLI pages by ten unless told; a page of all is slow on a backend that is far away.
PAGE = 100
# How far back a release is looked for: more updates than twenty proven releases are apart.
MOST = 1000


def read(pulumi: Pulumi, backend: str) -> list[Update]:
    """Return the updates that a stack's history holds. Unreachable when it, or one of its entries, cannot be read."""
    folder = home(backend, pulumi.project, pulumi.short)
    if folder is None or not plain(folder):
        return list(_asked(pulumi))
    return entries(folder)


def home(backend: str, project: str, stack: str) -> Path | None:
    """Return the folder with a stack's entries; None where the backend is not one of files."""
    folder = place(backend)
    if folder is None:
        return None
    root = folder / ".pulumi" / "history"
    # Backends from before 2023 know no projects.
    return root / project / stack if (root / project / stack).is_dir() or not (root / stack).is_dir() else root / stack


def plain(folder: Path) -> bool:
    """Say whether all entries are packed in a way that is read here."""
    return all(path.name.removesuffix(PACKED).endswith((ENTRY, STATE, ".attrs")) for path in folder.glob("*"))


def entries(folder: Path) -> list[Update]:
    """Read every entry of a stack's folder, newest first: their names carry the time."""
    paths = [path for path in folder.glob("*") if path.name.removesuffix(PACKED).endswith(ENTRY)]
    newest = sorted(paths, key=_moment, reverse=True)[:MOST]
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(_entry, newest))


def _moment(path: Path) -> int:
    stem = path.name.removesuffix(PACKED).removesuffix(ENTRY)
    number = stem.rpartition("-")[2]
    return int(number) if number.isdigit() else 0


def _entry(path: Path) -> Update:
    state = path.with_name(path.name.replace(ENTRY, STATE))
    try:
        return raw(_text(path), _text(state) if state.exists() else None)
    except (OSError, ValueError, LookupError) as error:
        raise Unreachable(f"the entry '{path}' of stack history cannot be read ({type(error).__name__}): move it away to go on") from None


def _text(path: Path) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.name.endswith(PACKED) else data).decode()


def _asked(pulumi: Pulumi) -> Iterator[Update]:
    for page in range(1, MOST // PAGE + 1):
        found = pulumi.json("stack", "history", "--page-size", str(PAGE), "--page", str(page))
        yield from (shown(one) for one in found)
        if len(found) < PAGE:
            return
