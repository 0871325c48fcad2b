"""`sluice release`: bring out a version, and go back by the matrix when that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli import ends, journal, options, say
from sluice.cli.closing import closing
from sluice.cli.plan import make, orders, show
from sluice.cli.rollback import attended, clear, confirm, left, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sluice.core.rollback.failure import Failure
    from sluice.core.rollback.plan import Plan
    from sluice.history.orders import Orders
    from sluice.history.pulumi import Pulumi
    from sluice.history.stack import Stack

Version = Annotated[str, typer.Argument(metavar="VERSION", help="The version to bring out.")]
Kind = Annotated[str | None, typer.Option("--kind", metavar="KIND", help="configuration, patch, minor, major or hotfix.")]
Schema = Annotated[
    list[str],
    typer.Option("--schema", metavar="DATABASE=REVISION", help="A database's revision, as in shop=0007; several times for several."),
]
Keep = Annotated[bool, typer.Option("--no-rollback", help="When it fails, end with the plan, and do nothing by itself.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Show what it would do and whom it would tell, and change nothing.")]
Untested = Annotated[bool, typer.Option("--skip-tests", help="Leave its smoke tests out; refused in production.")]
Unsaved = Annotated[
    bool, typer.Option("--skip-backup", help="Save nothing before it; refused in production, and where a migration is pending.")
]
Skip = Annotated[bool, typer.Option("--skip-preview", help="Do not show first what the update would do.")]
Level = Annotated[
    str | None, typer.Option("--severity", metavar="P0..P3", help="How much a failure would matter; else what has failed says it.")
]


@options.spread
def release(
    version: Version,
    kind: Kind = None,
    schema: Schema = [],  # noqa: B006
    severity: Level = None,
    dry_run: Dry = False,
    skip_tests: Untested = False,
    skip_backup: Unsaved = False,
    no_rollback: Keep = False,
    skip_preview: Skip = False,
    message: options.Why = "",
    yes: options.Yes = False,
    at: options.At = options.HERE,
) -> None:
    """Show what the update would do, set the version in config, and run `pulumi up`. When that fails, go back where that is safe, else end
    with the plan.

    In plain Pulumi: `pulumi config set --path sluice:release.version VERSION`, then `pulumi up`; to go back, the commands that it prints.
    """
    import time

    from sluice.cli.job import unheard
    from sluice.cli.rehearse import preview, rehearse
    from sluice.core.errors import Refused
    from sluice.core.rollback.symptom import read
    from sluice.history.ahead import ahead, plain
    from sluice.history.locks import held, turn

    read([], None, severity)
    if dry_run and skip_preview:
        raise Refused(["--dry-run is the preview, and --skip-preview leaves it out: say one of them"])
    words, skips = settings(version, kind, schema), [what for what, on in (("backup", skip_backup), ("tests", skip_tests)) if on]
    pulumi, why = at.pulumi, f"release {version}{message and f': {message}'}"
    unheard(pulumi)
    if dry_run:
        raise typer.Exit(rehearse(pulumi, ahead(pulumi, words, why, skips)))
    with turn(pulumi):
        if locks := held(pulumi, pulumi.backend()):
            raise Refused([f"{lock}; nothing was touched" for lock in locks])
        attended(yes)
        told = ahead(pulumi, words, why, skips).orders if skips else plain(pulumi, words, why)
        say.lines("in plain Pulumi:", *(f"  {command}" for command in told.shown))
        if not skip_preview:
            preview(pulumi, told.before[0])
        confirm(f"release {version} to '{pulumi.stack}'?", yes)
        before, begun = proven(pulumi), time.monotonic()
        pulumi.do(told.before[0])
        code, events = pulumi.events(told.up)
        ended = after(pulumi, before, events, severity, revert=not no_rollback) if code else done(pulumi, begun)
        raise typer.Exit(finish(pulumi, told, ended))


def finish(pulumi: Pulumi, told: Orders, ended: int) -> int:
    """Take out of config what was allowed to this release alone, once it is proven or gone back from; until then say how. Return the exit
    code."""
    from sluice.core.errors import SluiceError
    from sluice.history.ahead import nonces

    if not told.used:
        return ended
    try:
        over = ended == ends.REVERTED or told.used <= nonces(pulumi)
    except SluiceError as error:
        say.error(str(error))
        over = False
    if not over:
        say.lines(*left(told))
        return ended
    return ended if clear(pulumi, told) else ends.LEFT


def done(pulumi: Pulumi, begun: float) -> int:
    """Say of an update that came to its end, begun then (time.monotonic), what it has come to; of a held release how it goes on. Return
    the exit code."""
    import time

    from sluice.core.errors import SluiceError
    from sluice.core.settings.permission import without
    from sluice.history.stack import look

    try:
        seen = look(pulumi)
    except SluiceError as error:
        say.error(str(error))
        say.lines(f"the update has gone through, and what is live cannot be found out now: `sluice status --stack {pulumi.stack}`")
        return ends.LEFT
    closing(seen, seen.configured)
    if seen.live and seen.live.id == seen.configured:
        say.lines(f"'{seen.configured}' is live and proven, after {time.monotonic() - begun:.1f} s{without(seen.live.skipped)}")
    else:
        say.lines(f"'{seen.configured}' is held on its way, and not proven yet: `sluice promote` goes on, `sluice abort` goes back")
    return 0


def proven(pulumi: Pulumi) -> str | None:
    """Return the id of the release that serves."""
    from sluice.core.record import Record
    from sluice.core.update import proven

    found = proven(pulumi.state())
    return Record.parse(found[0]).id if found else None


def after(pulumi: Pulumi, before: str | None, events: Sequence[str], severity: str | None, *, revert: bool) -> int:
    """Say what failed and how to go back; do so where it is safe, once. Return the exit code."""
    from sluice.core.errors import SluiceError
    from sluice.core.rollback.failure import read, waits
    from sluice.history.stack import look

    failure = read(events)
    try:
        seen = look(pulumi)
        made = decide(seen, failure, severity)
        told = orders(seen, made)
    except SluiceError as error:
        # What has failed may be what has to be asked: the update has run all the same, and was not refused.
        say.error(str(error))
        say.lines("nothing is done by itself: how to go back cannot be found out now", *_way(pulumi))
        return ends.OPEN
    closing(seen, seen.configured)
    show(seen, made, told)
    if why := waits(failure, made, before) or ("" if revert else "--no-rollback was said"):
        say.lines(f"nothing is done by itself: {why}", *_way(pulumi))
        return ends.OPEN
    say.lines(f"'{made.failing}' has failed, and '{made.target}' is gone back to")
    journal.back(seen, made, f"by itself, as '{made.failing}' has failed", severity=severity)
    return run(seen, made, told) or ends.REVERTED


def decide(seen: Stack, failure: Failure | None, severity: str | None) -> Plan:
    """Return the plan by the row of the matrix that the failure belongs to."""
    from sluice.core.report.gravity import gravity
    from sluice.core.rollback.plan import Wish
    from sluice.core.rollback.symptom import Severity
    from sluice.history.journal import tried

    said = next((one for one in Severity if one == severity), None)
    seems = gravity(failure.trouble, tried(seen)) if failure else None
    symptom = failure.symptom(said or (seems[0] if seems else None)) if failure else None
    return make(seen, Wish(symptoms=[symptom] if symptom else []))


def _way(pulumi: Pulumi) -> list[str]:
    return [f"  to try again: pulumi up --stack {pulumi.stack}; to go back: sluice rollback --stack {pulumi.stack}"]


def settings(version: str, kind: str | None, schema: list[str]) -> list[str]:
    """Return what is set, as words of `pulumi config set-all`; Refused with everything that no release can be."""
    from sluice.core.errors import Refused
    from sluice.core.settings.parse import draft
    from sluice.core.settings.release import Release
    from sluice.core.settings.tree import RELEASE, path

    pairs = [one.partition("=") for one in schema]
    wrong = [f"--schema {database}{mark}{revision}: write database=revision" for database, mark, revision in pairs if not revision]
    named = {database: revision for database, _, revision in pairs if revision}
    # In config, it would be the next update that says so, and no command could read the release until somebody has mended it.
    asked = {"version": version, **({"kind": kind} if kind else {}), "schema": named}
    wrong += [f"{one.path}: {one.text}" for one in draft(RELEASE, Release, asked).problems]
    if wrong:
        raise Refused(wrong, headline="nothing was touched:")
    told = {path(RELEASE, ["version"]): version, **({path(RELEASE, ["kind"]): kind} if kind else {})}
    told |= {path(RELEASE, ["schema", database]): revision for database, revision in named.items()}
    return [word for key, value in told.items() for word in ("--plaintext", f"{key}={value}")]
