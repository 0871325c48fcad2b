"""`sluice rollback`: deploy a proven release again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from sluice.cli import ends, journal, options, say
from sluice.cli.plan import make, orders, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sluice.core.rollback.plan import Plan, Wish
    from sluice.history.orders import Orders
    from sluice.history.pulumi import Pulumi
    from sluice.history.stack import Stack


@options.spread
def rollback(
    asked: options.Asked = options.NEWEST,
    dry_run: options.Dry = False,
    yes: options.Yes = False,
    message: options.Why = "",
    at: options.At = options.HERE,
) -> None:
    """Go back to a proven release: its `sluice:release` is written back byte for byte, and `pulumi up` takes it through the gates.

    Databases go along where they have to, or alone, or to a backup.

    In plain Pulumi: the commands that it prints.
    """
    from contextlib import nullcontext

    from sluice.history.locks import turn
    from sluice.history.stack import look

    wish = asked.wish
    pulumi = at.pulumi
    with nullcontext() if dry_run else turn(pulumi):
        seen = look(pulumi)
        made = make(seen, wish)
        told = orders(seen, made)
        show(seen, made, told)
        if dry_run:
            raise typer.Exit(0 if made.runs else 1)
        check(seen, made, wish, yes)
        confirm(f"{made.action.value}: go back to '{made.target}' on '{seen.pulumi.stack}'?", yes)
        journal.back(seen, made, message, symptoms=asked.symptom, severity=asked.severity)
        raise typer.Exit(run(seen, made, told))


def check(seen: Stack, made: Plan, wish: Wish, yes: bool) -> None:
    """Refuse what cannot be run, before anything is touched."""
    from sluice.core.errors import Refused
    from sluice.history.locks import held

    if not made.runs:
        raise Refused([f"this plan is '{made.action.value}': nothing was touched"])
    if yes and (unnamed := [one.backup for one in made.restores if one.backup not in wish.backups]):
        words = " ".join(f"--to-backup {id}" for id in unnamed)
        raise Refused(
            [f"a restore loses what was written since, and nobody is asked: accept it by name, with {words}; nothing was touched"]
        )
    if locks := held(seen.pulumi, seen.backend):
        raise Refused([f"{lock}; nothing was touched" for lock in locks])


def confirm(question: str, yes: bool) -> None:
    """Ask, unless told not to."""
    attended(yes)
    if not yes:
        typer.confirm(question, abort=True)


def attended(yes: bool) -> None:
    """Refuse to ask where nobody can answer: that has to be said."""
    import sys

    from sluice.core.errors import Refused

    if not yes and not sys.stdin.isatty():
        raise Refused(["nobody is here to say yes: add --yes; nothing was touched"])


def run(seen: Stack, made: Plan, told: Orders) -> int:
    """Write the release back and deploy it; return the exit code."""
    import time

    from sluice.cli.deadline import countdown

    begun = time.monotonic()
    count = countdown(seen, made, begun)
    if count:
        count.tick()
    do(seen.pulumi, told.before)
    code = seen.pulumi.attend(told.up, count.tick if count else None)
    late = count.end() if count else False
    if code:
        say.error(f"`pulumi up` failed: config names '{made.target}', and what was live still serves; mend it, then `pulumi up`")
        say.lines(*left(told))
        return ends.OPEN
    say.lines(f"'{made.target}' is live again, after {time.monotonic() - begun:.1f} s")
    if not clear(seen.pulumi, told):
        return ends.LEFT
    return ends.LATE if late else 0


def clear(pulumi: Pulumi, told: Orders) -> bool:
    """Take out of config what this release alone was allowed: it is used up, and no later update is to read it again. Where that fails
    say what is to be typed, and return False."""
    from sluice.core.errors import SluiceError
    from sluice.history.facts import shown
    from sluice.history.orders import cleared

    left = told.after
    try:
        left = cleared(pulumi, told)
        while left:
            pulumi.do(left[0])
            left = left[1:]
    except SluiceError as error:
        say.error(str(error))
        say.lines("config still has what this release alone was allowed; once that is mended:", *(f"  {line}" for line in shown(left)))
        return False
    return True


def left(told: Orders) -> list[str]:
    """Say what is still to be done once somebody else's `pulumi up` has gone through: what was allowed, or changed, for this one alone."""
    from sluice.history.facts import shown

    return ["then, as it was for this release alone:", *(f"  {line}" for line in shown(told.after))] if told.after else []


def do(pulumi: Pulumi, commands: Sequence[list[str]]) -> None:
    """Run commands that nobody needs to watch."""
    for command in commands:
        pulumi.do(command)
