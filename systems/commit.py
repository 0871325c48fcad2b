"""What of a checkout is not committed: a release from there could not be had again."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

# A message is one line.
SHOWN = 3


def uncommitted(folder: str, besides: Sequence[str]) -> Iterator[str]:
    """Yield why a folder is not as it was committed; `besides` are files in it that may have changed."""
    try:
        # Names come with a NUL between them: quoted, or renamed with an arrow, they would have to be read.
        argv = ["git", "-C", folder, "status", "--porcelain", "--no-renames", "-z", "--untracked-files=all", "--", "."]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        top = subprocess.run(["git", "-C", folder, "rev-parse", "--show-prefix"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        yield "executable 'git' is not on PATH, and changes that are not committed are refused: install it"
        return
    if done.returncode or top.returncode:
        why = (done.stderr or top.stderr).strip().splitlines()
        yield f"folder '{folder}' is no git checkout ({why[0] if why else 'git fails'}): release from a clone"
        return
    prefix = top.stdout.strip()
    names = [entry[3:].removeprefix(prefix) for entry in done.stdout.split("\0") if entry]
    changed = [name for name in names if name not in besides]
    if changed:
        more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
        yield f"folder '{Path(folder)}' has changes that are not committed: {', '.join(changed[:SHOWN])}{more}; run: git -C {folder} status"
