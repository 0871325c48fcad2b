"""The `sluice` command. What it does can be done by plain Pulumi commands, which it prints; it keeps nothing of its own.

Only typer is imported here and in the verbs' files: `--help` and completion have to be quick. What a verb needs, it imports when it runs.
"""

from __future__ import annotations

import sys

import typer

from sluice.cli import abort, backup, check, doctor, history, plan, promote, release, repair, report, rollback, say, status
from sluice.core.errors import SluiceError

app = typer.Typer(
    name="sluice",
    help="Releases of a stack: what was, what is, and the way back.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for verb in (
    release.release,
    promote.promote,
    status.status,
    history.history,
    plan.plan,
    rollback.rollback,
    repair.repair,
    abort.abort,
    doctor.doctor,
    check.check,
    backup.backup,
    report.report,
):
    app.command()(verb)


def main() -> None:
    """Run the command; an error that is meant for people is one line, and exit code 1."""
    try:
        app()
    except SluiceError as error:
        say.error(str(error))
        sys.exit(1)
