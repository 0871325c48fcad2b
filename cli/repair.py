"""`sluice repair`: bring chosen rows back from a backup, while what writes them is paused."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sluice.cli import options, say
from sluice.cli.backup import chosen
from sluice.cli.rollback import confirm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sluice.core.backup.manifest import Backup
    from sluice.core.restore.repair import Repair
    from sluice.history.stack import Stack
    from sluice.systems.repair_write import Job

Database = Annotated[str, typer.Argument(metavar="DATABASE", help="The database.")]
Table = Annotated[list[str], typer.Option("--table", metavar="TABLE", help="A table whose rows come back; several times for several.")]
Where = Annotated[
    list[str],
    typer.Option("--where", metavar="CONDITION", help="Only these rows: an SQL condition, or 'TABLE: condition' with several tables."),
]
From = Annotated[
    str | None, typer.Option("--from", metavar="ID", help="The backup, by its id; without it the newest that was restored and compared.")
]
Pause = Annotated[
    str, typer.Option("--pause", metavar="FLAG", help="The flag that pauses what writes there: NAME, or NAME=off where off pauses.")
]
Flying = Annotated[str, typer.Option("--in-flight", metavar="SELECT", help="A SELECT that has no row, or 0, once no work is under way.")]
Patience = Annotated[str, typer.Option("--patience", metavar="DURATION", help="How long to wait for that.")]
Verify = Annotated[
    list[str], typer.Option("--verify", metavar="SELECT", help="A SELECT that must have no row, or one that is true; else nothing changes.")
]
Remove = Annotated[bool, typer.Option("--remove", help="Take away the rows that are not in the backup; without it they stay.")]
Triggers = Annotated[bool, typer.Option("--triggers", help="Let your own triggers run for each row; without it they do not.")]
Resume = Annotated[bool, typer.Option("--resume", help="Only let go of the flag of a repair that was begun.")]


@options.spread
def repair(
    database: Database,
    table: Table = [],  # noqa: B006
    where: Where = [],  # noqa: B006
    backup: From = None,
    pause: Pause = "",
    in_flight: Flying = "",
    patience: Patience = "5m",
    verify: Verify = [],  # noqa: B006
    remove: Remove = False,
    triggers: Triggers = False,
    resume: Resume = False,
    dry_run: options.Dry = False,
    yes: options.Yes = False,
    at: options.At = options.HERE,
) -> None:
    """Pause, wait for work in flight, put rows of a verified backup in place in one transaction, verify, resume.

    What would change is shown first. The flag is let go once all is well, and not before. In plain Pulumi there is no such thing: the flag
    is `python -m sluice.systems.flags`, and the rows are yours to copy.
    """
    from sluice.core.restore.repair import read, told
    from sluice.history.locks import turn
    from sluice.systems import repair as doing

    if resume:
        seen = at.look()
        (name,) = chosen(seen, [database])
        why = f"let go of what a repair of '{name}' has paused"
        say.lines(*written(seen, why, lambda: doing.resume(seen.stores[name], flags(seen)), database=name))
        return
    wanted = read(
        tables=table, wheres=where, pause=pause, in_flight=in_flight, patience=patience, verify=verify, remove=remove, triggers=triggers
    )
    seen = at.look()
    job = plan(seen, database, wanted, backup, patience)
    found = doing.look(job)
    say.lines(f"'{database}' of '{seen.pulumi.stack}', from backup {job.backup.id}:", *(f"  {line}" for line in found.lines))
    if dry_run:
        return
    if not found.due(job.repair):
        say.lines("these rows are as the backup has them: nothing is to be done")
        return
    with turn(seen.pulumi):
        check(seen)
        confirm(f"repair '{database}'?", yes)
        written(seen, told(job.repair), lambda: doing.run(job), database=database, **job.repair.wire())
    say.lines(f"'{database}' is repaired")


def written(seen: Stack, why: str, act: Callable[[], list[str]], **figures: Any) -> list[str]:
    """Do it, and have it in the journal, with the release whose data it is."""
    from sluice.cli.journal import done
    from sluice.core.moment import Moment

    return done(seen, Moment.REPAIR, why, act, release=seen.live.id if seen.live else "", **figures)


def plan(seen: Stack, database: str, wanted: Repair, backup: str | None, patience: str) -> Job:
    """Return what is to be done, with where everything is."""
    from sluice.core.settings.duration import seconds
    from sluice.systems import actor
    from sluice.systems.repair_write import Job

    (name,) = chosen(seen, [database])
    pausable(seen, wanted)
    found = saved(seen, name, backup)
    # The same again means the same backup, whatever is saved meanwhile.
    again = [*sys.argv[1:], *([] if backup else ["--from", found.id])]
    return Job(
        store=seen.stores[name],
        backup=found,
        repair=wanted.model_copy(update={"backup": found.id}),
        flags=flags(seen),
        again=shlex.join(["sluice", *again]),
        resume=shlex.join(["sluice", "repair", database, "--resume", "--stack", seen.pulumi.stack]),
        by=actor.user(),
        patience=seconds(patience),
        log=say.lines,
    )


def flags(seen: Stack) -> Path:
    """Return the file that services read their flags from."""
    from pathlib import Path

    return Path(seen.outputs["flags"])


def pausable(seen: Stack, wanted: Repair) -> None:
    """Refuse to pause by a flag that the stack does not have: a word that nobody reads pauses nobody."""
    from sluice.core.errors import Refused
    from sluice.core.rollback.block import data
    from sluice.history.pulumi import typed
    from sluice.systems.flags import read

    block = data(seen.config) if seen.config else {}
    named = block.get("flags") if isinstance(block, dict) else None
    known = sorted({*read(flags(seen)), *(named if isinstance(named, dict) else {})})
    if wanted.flag and wanted.flag not in known:
        words = [str(flags(seen)), wanted.flag, "off" if wanted.on else "on", "--stack", seen.pulumi.stack]
        make = typed(["python", "-m", "sluice.systems.flags", *words])
        there = f"no flag '{wanted.flag}' in '{seen.pulumi.stack}': known are {', '.join(known) or 'none'}"
        raise Refused([f"{there}; one that services read and nobody has set yet is made known by: {make}"])


def saved(seen: Stack, database: str, id: str | None) -> Backup:
    """Return a backup that was restored and compared: the one that is named, else the newest."""
    from pathlib import Path

    from sluice.core.errors import Refused
    from sluice.systems import shelf

    held = [one for one in shelf.load(Path(seen.shelf), database=database) if one.verified] if seen.shelf else []
    found = next((one for one in held if id in (None, one.id)), None)
    if found is None:
        known = f"there are {', '.join(one.id for one in held)}" if held else f"there is none, and `sluice backup {database}` makes one"
        raise Refused([f"no verified backup of '{database}'{f' is called {id}' if id else ''}: {known}"])
    return found


def check(seen: Stack) -> None:
    """Refuse while somebody works on the stack: an update may switch the flag back."""
    from sluice.core.errors import Refused
    from sluice.history.locks import held

    if locks := held(seen.pulumi, seen.backend):
        raise Refused([f"{lock}; nothing was touched" for lock in locks])
