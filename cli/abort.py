"""`sluice abort`: take all traffic back to what is proven, at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluice.cli import options, say

if TYPE_CHECKING:
    from sluice.history.stack import Stack


def abort(message: options.Why = "", stack: options.StackName = None, cwd: options.Folder = options.HERE) -> None:
    """Take the traffic from a version that is not proven, then the release from config. A running `pulumi up` loses the traffic, and fails.

    In plain Pulumi: Ctrl-C in `pulumi up`, write back the live release, and `pulumi up`.
    """
    from sluice.cli.journal import note
    from sluice.core.moment import Moment
    from sluice.history.pulumi import find
    from sluice.history.stack import look

    seen = look(find(cwd.resolve(), stack))
    world(seen)
    note(seen, Moment.ABORT, message or "sluice abort")
    config(seen)


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
    from sluice.history.locks import holders

    alive = [said.partition(": wait for")[0] for said, dead in holders(seen.pulumi, seen.backend) if not dead]
    return [f"BUT {one}: it gets no traffic, and fails as it asks for some; to end it at once: Ctrl-C, or kill -INT" for one in alive]


def routes(seen: Stack) -> list[dict[str, Any]]:
    """Return the doors as they are, each with the proven version of its service behind it, or none."""
    from sluice.systems import splits

    proven = {name: built.name for name, built in seen.live.services.items()} if seen.live else {}
    now = splits.open(seen.split or {}).get().routes
    return [route.model_copy(update={"live": proven.get(route.service), "canary": None}).wire() for route in now]


def config(seen: Stack) -> None:
    """Write the live release back, so that the next update does not begin again with what was aborted."""
    from sluice.history import facts, orders

    live = seen.pasts[0] if seen.pasts else None
    if live is None or live.id == seen.configured:
        return
    if live.config is None:
        say.lines(f"config still names '{seen.configured}', and '{live.id}' cannot be written back: {live.why}")
        return
    commands = orders.written(seen.pulumi, live.config)
    for command in commands:
        seen.pulumi.do(command)
    say.lines(f"config names '{live.id}' again, by", *(f"  {line}" for line in facts.shown(commands)))
    say.lines(f"run `pulumi up --stack {seen.pulumi.stack}`, which removes what was aborted")
