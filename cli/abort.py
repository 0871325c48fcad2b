"""`sluice abort`: take all traffic back to what is proven, at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluice.cli import options, say

if TYPE_CHECKING:
    from sluice.history.stack import Stack


@options.spread
def abort(message: options.Why = "", at: options.At = options.HERE) -> None:
    """Take the traffic from a version that is not proven, then the release from config. A running `pulumi up` loses the traffic, and fails.

    In plain Pulumi: Ctrl-C in `pulumi up`, write back the live release, and `pulumi up`.
    """

    everything(at.look(), message or "sluice abort")


def everything(seen: Stack, why: str) -> None:
    """Do all of it, also where the traffic cannot be taken: that is told last, and what comes next."""
    from sluice.cli.journal import note
    from sluice.core.errors import Unreachable
    from sluice.core.moment import Moment

    failed = None
    try:
        world(seen)
    except Unreachable as error:
        failed = error
        say.lines("the traffic was not taken", *(f"AND {one}: end it with Ctrl-C, or kill -INT" for one in alive(seen)))
    note(seen, Moment.ABORT, why)
    config(seen)
    if failed:
        raise failed


def world(seen: Stack) -> None:
    """Take the traffic first: whoever owned it may write no more."""
    from sluice.core.errors import Refused
    from sluice.systems import splits

    if seen.split is None:
        raise Refused([f"'{seen.pulumi.stack}' has no front door, so no traffic to take: nothing was touched"])
    back = {**seen.split, "routes": routes(seen)}
    # With a lease somebody climbs, or is about to: from weight 0 too.
    watched = splits.open(back).seen().lease is not None
    if splits.settled(back) and not watched:
        splits.bar(back)
        say.lines("all traffic is on what is proven already", *running(seen))
    else:
        splits.restore(back, splits.ORDERED, anew=watched)
        say.lines("all traffic is on what is proven" if seen.live else "all doors are closed (503): nothing has been proven yet")


def running(seen: Stack) -> list[str]:
    """Say who is still at work: an update gets no traffic any more, and yet goes on until it asks for some."""
    more = "it gets no traffic, and fails as it asks for some; to end it at once: Ctrl-C, or kill -INT"
    return [f"BUT {one}: {more}" for one in alive(seen)]


def alive(seen: Stack) -> list[str]:
    """Return who holds the stack's lock and lives."""
    from sluice.history.locks import holders

    return [said.partition(": wait for")[0] for said, dead in holders(seen.pulumi, seen.backend) if not dead]


def routes(seen: Stack) -> list[dict[str, Any]]:
    """Return the doors as they are, each with the proven version of its service behind it, or none."""
    from sluice.systems import splits

    proven = {name: built.name for name, built in seen.live.services.items()} if seen.live else {}
    doors = splits.open(seen.split or {}).doors()
    return [route.model_copy(update={"live": proven.get(route.service), "canary": None}).wire() for route in doors]


def config(seen: Stack) -> None:
    """Write the live release back, so that the next update does not begin again with what was aborted."""
    from sluice.history import facts, orders

    live = seen.pasts[0] if seen.pasts else None
    if live is None or live.id == seen.configured:
        return
    if live.config is None:
        named = f"'{seen.configured}'" if seen.configured else "no release that can be read"
        say.lines(f"config still names {named}, and '{live.id}' cannot be written back: {live.why}")
        return
    commands = orders.written(seen.pulumi, live.config)
    for command in commands:
        seen.pulumi.do(command)
    say.lines(f"config names '{live.id}' again, by", *(f"  {line}" for line in facts.shown(commands)))
    say.lines(f"run `pulumi up --stack {seen.pulumi.stack}`, which removes what was aborted")
