"""The `sluice` command. What it does can be done by plain Pulumi commands, which it prints; it keeps nothing of its own.

Only typer is imported here and in the verbs' files: `--help` and completion have to be quick. What a verb needs, it imports when it runs.
"""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperCommand

from sluice.cli import abort, announce, backup, check, doctor, history, plan, promote, release, repair, report, rollback, say, status
from sluice.core.errors import SluiceError

app = typer.Typer(
    name="sluice",
    help="Releases of a stack: what was, what is, and the way back.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Verb(TyperCommand):
    """A verb whose help has no word of Python's: an argument's own name says what it is, `<list[str]>` behind it does not."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options."""
        arguments: list[Any] = [one for one in self.params if one.param_type_name == "argument"]
        for one in arguments:
            one.display_type_rich = lambda ctx: None
        super().format_options(ctx, formatter)


# Docstrings say more than a line of the list has room for.
VERBS = {
    release.release: "Bring out a version, and go back where that fails.",
    announce.announce: "Write what users are told before a release.",
    promote.promote: "Let a release go on that is held on its way.",
    status.status: "Show what is live, and where the traffic is.",
    history.history: "Show every update, and what it proved.",
    plan.plan: "Say how to go back, and what that takes and loses.",
    rollback.rollback: "Go back to a proven release.",
    repair.repair: "Bring chosen rows back from a backup.",
    abort.abort: "Take the traffic back from what is not proven, at once.",
    doctor.doctor: "Find what is wrong, why, and what to type next.",
    check.check: "Ask a gate's checks now, without a release.",
    backup.backup: "Save databases now, and prove it; list what there is.",
    report.report: "Write a page about a release.",
}
for verb, line in VERBS.items():
    app.command(cls=Verb, short_help=line)(verb)


def main() -> None:
    """Run the command; an error that is meant for people is one line, and exit code 1."""
    try:
        app()
    except SluiceError as error:
        say.error(str(error))
        sys.exit(1)
