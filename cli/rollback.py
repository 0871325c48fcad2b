"""`sluice rollback`: deploy a proven release again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli import options, say
from sluice.cli.plan import make, message, show

if TYPE_CHECKING:
    from sluice.core.rollback.plan import Plan
    from sluice.history.stack import Stack

Dry = Annotated[bool, typer.Option("--dry-run", help="Print the plan and its commands, and change nothing.")]


def rollback(
    to: options.To = None,
    services_only: options.Only = False,
    dry_run: Dry = False,
    yes: options.Yes = False,
    symptom: options.Trouble = [],  # noqa: B006
    rate: options.Rate = None,
    severity: options.Severity = None,
    stack: options.StackName = None,
    cwd: options.Folder = options.HERE,
) -> None:
    """Go back to a proven release: its `sluice:release` is written back byte for byte, and `pulumi up` takes it through the gates.

    A plan that asks for more than that (a downgrade, a restore) is printed and not run. In plain Pulumi: the commands that it prints.
    """
    from sluice.core.rollback.symptom import read
    from sluice.history.pulumi import find
    from sluice.history.stack import look

    symptoms = read(symptom, rate, severity)
    seen = look(find(cwd.resolve(), stack))
    made = make(seen, to=to, services_only=services_only, allowed=[], symptoms=symptoms)
    show(seen, made)
    if not dry_run:
        check(seen, made)
        confirm(f"go back to '{made.target}' on '{seen.pulumi.stack}'?", yes)
        raise typer.Exit(run(seen, made))
    if not made.runs:
        raise typer.Exit(1)


def check(seen: Stack, made: Plan) -> None:
    """Refuse what cannot be run, before anything is touched."""
    from sluice.core.errors import Refused
    from sluice.history.locks import held

    if not made.runs:
        raise Refused([f"this plan is '{made.action.value}', and only 'code only' is run: nothing was touched"])
    if locks := held(seen.pulumi, seen.backend):
        raise Refused([f"{lock}; nothing was touched" for lock in locks])


def confirm(question: str, yes: bool) -> None:
    """Ask, unless told not to; where nobody can answer, that has to be said."""
    import sys

    from sluice.core.errors import Refused

    if yes:
        return
    if not sys.stdin.isatty():
        raise Refused(["nobody is here to say yes: add --yes; nothing was touched"])
    typer.confirm(question, abort=True)


def run(seen: Stack, made: Plan) -> int:
    """Write the release back and deploy it; return the exit code of `pulumi up`."""
    import time

    from sluice.history import facts

    begun = time.monotonic()
    for command in facts.written(seen.pulumi, made.config or ""):
        seen.pulumi.do(command)
    code = seen.pulumi.watch("up", "--yes", "--skip-preview", "--message", message(made))
    if code:
        say.error(f"`pulumi up` failed: config names '{made.target}', and what was live still serves; mend it, then `pulumi up`")
    else:
        say.lines(f"'{made.target}' is live again, after {time.monotonic() - begun:.1f} s")
    return code
