"""Asking a stack's program what its gates ask: a preview, which changes nothing, and in which it writes that down."""

from __future__ import annotations

import tempfile
from pathlib import Path

from sluice.core.errors import Unreachable
from sluice.core.inquiry import ASKED, KNOWN, VARIABLE
from sluice.core.questions import Known, Questions
from sluice.history.stack import Stack

# A preview takes two seconds; one of a large stack on a busy machine may take long.
LIMIT = 300.0


def ask(seen: Stack) -> Questions:
    """Run the program in a preview, and return its questions; Unreachable with its own error when it ends without them."""
    with tempfile.TemporaryDirectory(prefix="sluice-") as place:
        folder = Path(place)
        (folder / KNOWN).write_text(known(seen).model_dump_json())
        code, said = seen.pulumi.hear("preview", env={VARIABLE: place}, limit=LIMIT)
        # What is wrong later in the preview does not matter here: nothing of it is going to run.
        if not (folder / ASKED).exists():
            raise Unreachable(_why(code, said))
        return Questions.model_validate_json((folder / ASKED).read_text())


def _why(code: int, said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if "error:" in line]
    if not code:
        return "the program has no Release, which is what knows its checks: declare one (docs/components/release.md)"
    return f"`pulumi preview` failed: {lines[0].partition('error:')[2].strip() if lines else f'exit code {code}'}"


def known(seen: Stack) -> Known:
    """Return what state says of what runs."""
    return Known(
        versions={one.name: one for one, _ in seen.running},
        url=str(seen.outputs.get("url") or ""),
        split=seen.split or {},
        stores=seen.stores,
        folder=seen.shelf or "",
    )
