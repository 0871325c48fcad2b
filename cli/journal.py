"""How a verb writes down that it was asked for something, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluice.cli import say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sluice.core.journal import Happened
    from sluice.core.moment import Moment
    from sluice.core.rollback.plan import Plan
    from sluice.history.stack import Stack


def note(seen: Stack, moment: Moment, why: str, *, release: str = "", **figures: Any) -> None:
    """Add a line to the stack's journal; `release` is the one that it is about, by default the one in config. Where that is not possible,
    say so, and go on."""
    from sluice.history import journal

    for warning in journal.note(seen, moment, why, release=release, figures=figures):
        say.error(warning)


def done(seen: Stack, moment: Moment, why: str, act: Callable[[], list[str]], *, release: str = "", **figures: Any) -> list[str]:
    """Do what somebody asks for, and write down what has come of it, too: the lines that it returns, or why it has failed."""
    from sluice.core.errors import SluiceError
    from sluice.core.journal import Happened

    note(seen, moment, why, release=release, **figures)
    try:
        lines = act()
    except BaseException as error:
        # What nobody has raised on purpose may hold anything.
        text = str(error) if isinstance(error, SluiceError) else type(error).__name__
        _end(seen, moment, Happened.FAILED, text, release, {})
        raise
    _end(seen, moment, Happened.PASSED, "; ".join(lines), release, {"lines": lines})
    return lines


def _end(seen: Stack, moment: Moment, event: Happened, text: str, release: str, figures: dict[str, Any]) -> None:
    from sluice.history import journal

    for warning in journal.note(seen, moment, text, release=release, figures=figures, event=event):
        say.error(warning)


def back(seen: Stack, made: Plan, why: str = "", *, symptoms: Sequence[str] = (), severity: str | None = None) -> None:
    """Write down that a plan to go back is run, and why: in somebody's words, else in the plan's. `severity` and `symptoms` are what they
    said that they see; the plan's own is its `level`, from which its deadline is known to whoever else looks."""
    from sluice.core.moment import Moment

    said = {"symptoms": list(symptoms), "severity": made.severity.value if made.severity else None} if symptoms or severity else {}
    said |= {"level": made.severity.value} if made.severity else {}
    reason = why or "; ".join(made.reasons)
    note(seen, Moment.ROLLBACK, reason, release=made.target or "", failing=made.failing, action=made.action.value, **said)
