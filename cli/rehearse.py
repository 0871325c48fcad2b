"""`sluice release --dry-run`: what a release would do and whom it would tell, with nothing touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluice.cli import ends, say

if TYPE_CHECKING:
    from sluice.history.ahead import Ahead
    from sluice.history.pulumi import Pulumi


def rehearse(pulumi: Pulumi, coming: Ahead) -> int:
    """Show what a release would do, and whom it would tell what; touch nothing. Return the exit code that it would end with as far as
    that can be seen beforehand."""
    from sluice.core.foreseen import read

    say.lines("in plain Pulumi:", *(f"  {command}" for command in coming.orders.shown))
    refused = read(preview(pulumi, coming.orders.before[0]))
    say.lines(*notices(pulumi, coming))
    if refused:
        say.lines(f"'{coming.id}' would not begin as things are now: {'; '.join(refused)}", "nothing was touched, nor was config")
        return ends.OPEN
    say.lines(f"'{coming.id}' would begin: nothing was touched, nor was config")
    return 0


def notices(pulumi: Pulumi, coming: Ahead) -> list[str]:
    """Say who would be told what, and where that would not arrive."""
    from sluice.core.contact import chain
    from sluice.core.notice import begins, proves
    from sluice.systems.webhook import reach

    stack = pulumi.short
    if not coming.rollout.notify:
        return ["nobody would be told: sluice:rollout.notify is empty"]
    where = [f"  {one}{why and f', which cannot be told: {why}'}" for one, why in reach(coming.rollout.webhooks)]
    people = chain(coming.rollout.chain)
    said = [begins(coming.id, stack, coming.skipped), proves(coming.id, stack, coming.skipped)]
    failing = [f"  when it fails: why, and who is next: {people}"] if people else ["  when it fails: why"]
    return ["would be told:", *where, *(f'  "{text}"' for text in said), *failing]


def preview(pulumi: Pulumi, words: list[str]) -> list[str]:
    """Show what the update would do, and return the engine's events; Refused where that fails already."""
    from sluice.core.errors import Refused

    code, events = pulumi.preview(words)
    if code:
        raise Refused(["the preview has failed, as the update would: nothing was touched, nor was config; mend it, then again"])
    return events
