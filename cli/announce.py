"""`sluice announce`: the message that users get before a maintenance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli import options, say
from sluice.cli.release import Kind, Schema, Version, settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sluice.core.announcement import Announcement
    from sluice.core.settings.rollout import Rollout
    from sluice.history.ahead import Ahead
    from sluice.history.stack import Stack

Begin = Annotated[
    str | None,
    typer.Option(
        "--begin", metavar="TIME", help="When it begins, as 2026-12-01T09:00+01:00; else when releases may begin, a day from now or later."
    ),
]
Zone = Annotated[
    list[str],
    typer.Option("--zone", metavar="ZONE", help="A time zone of those who are told, as Europe/Berlin; several times for more."),
]
Effect = Annotated[list[str], typer.Option("--effect", metavar="TEXT", help="What users notice, in your words; in place of the own ones.")]


@options.spread
def announce(
    version: Version,
    kind: Kind = None,
    schema: Schema = [],  # noqa: B006
    begin: Begin = None,
    zone: Zone = [],  # noqa: B006
    effect: Effect = [],  # noqa: B006
    at: options.At = options.HERE,
    json: options.Json = False,
) -> None:
    """Write what users are told before a release: when and how long, by how long earlier ones took; what they notice; the way back; whom to
    call. Nothing is sent, and nothing is touched.

    In plain Pulumi: `pulumi stack history` says how long updates took.
    """
    from sluice.history.ahead import ahead

    words = settings(version, kind, schema)
    pulumi = at.pulumi
    coming = ahead(pulumi, words, "")
    made = build(at.look(), coming, version, schema, begin, zone, effect)
    if json:
        say.data(made.wire() | {"text": made.text})
    else:
        say.lines(made.text)


def build(
    seen: Stack, coming: Ahead, version: str, schema: Sequence[str], begin: str | None, zone: Sequence[str], told: Sequence[str]
) -> Announcement:
    """Put it together from what was, and what is configured."""
    from datetime import timedelta

    from sluice.core.announcement import Announcement, effect, estimate
    from sluice.core.contact import chain
    from sluice.core.rollback.past import expected

    rollout = coming.rollout
    zones = _zones(zone, rollout)
    first = _begin(begin, rollout)
    live = seen.pasts[0] if seen.pasts else None
    back = expected(live, seen.updates) if live else None
    earlier = [float(past.update.ended - past.update.begun) for past in seen.pasts if past.update]
    planned = estimate(earlier, rollout.walked, back.seconds if back else 0.0)
    return Announcement(
        stack=seen.pulumi.stack,
        release=coming.id,
        version=version,
        kind=coming.kind,
        begin=first,
        end=first + timedelta(seconds=planned.seconds),
        zones=zones,
        estimate=planned,
        effect=list(told) or effect(rollout.walked, schema, first=live is None),
        back=f"to '{live.id}', {back.text}" if live and back else "none: nothing serves before it",
        contacts=chain(rollout.chain),
        told=[hook.kind for hook in rollout.notify if hook.kind != "pushgateway"],
    )


def _zones(asked: Sequence[str], rollout: Rollout) -> list[str]:
    from zoneinfo import ZoneInfo

    from sluice.core.errors import Refused

    zones = list(dict.fromkeys([*asked, *([rollout.windows.timezone] if rollout.windows and not asked else []), "UTC"]))
    wrong = []
    for one in zones:
        try:
            ZoneInfo(one)
        except (KeyError, ValueError, OSError):
            wrong.append(f"--zone {one}: is no time zone: write a name such as Europe/Berlin")
    if wrong:
        raise Refused(wrong)
    return zones


def _begin(asked: str | None, rollout: Rollout) -> datetime:
    """Return when it begins; Refused where that is no time, or none at which a release may begin."""
    from datetime import UTC, datetime, timedelta

    from sluice.core.announcement import LEAD
    from sluice.core.errors import Refused
    from sluice.core.settings.window import AHEAD, closed, opening

    if asked is None:
        soon = (datetime.now(UTC) + LEAD).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        found = opening(rollout.windows, soon)
        if found is None:
            raise Refused([f"no release may begin within {AHEAD} days: sluice:rollout.windows does not open"])
        return found
    try:
        at = datetime.fromisoformat(asked)
    except ValueError:
        raise Refused([f"--begin {asked}: is no time: write it as 2026-12-01T09:00+01:00"]) from None
    if at.tzinfo is None:
        raise Refused([f"--begin {asked}: of which time zone? write it as {asked}+01:00, or {asked}Z"])
    if why := closed(rollout.windows, at):
        raise Refused([f"--begin {asked}: no release may begin then: {why}"])
    return at
