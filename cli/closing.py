"""The table that `sluice release` ends with: what makes a release a success, each criterion with what was seen and by whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluice.cli import say

if TYPE_CHECKING:
    from sluice.history.stack import Stack

HEAD = ("criterion", "is", "seen", "by")
STYLES = {"passed": "green", "failed": "bold red", "left out": "yellow", "not asked": "dim", "to come": "dim"}


def closing(seen: Stack, release: str | None) -> None:
    """Print it for a release by its id; where the journal has nothing of it, or cannot be read, say so and go on."""
    from datetime import UTC, datetime

    from sluice.core.errors import SluiceError
    from sluice.core.report.build import report
    from sluice.core.report.report import choose
    from sluice.history.journal import known

    try:
        found = known(seen)
        made = report(found, choose(found, release or ""), datetime.now(UTC))
    except SluiceError as error:
        say.lines(f"what the release has come to, criterion by criterion, is not known: {error}")
        return
    say.table(HEAD, [[one.name, one.word.value, one.figure, one.source] for one in made.criteria], styles=STYLES)
