"""`sluice status`: what is live, what is configured, and where the traffic is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sluice.cli import options, say

if TYPE_CHECKING:
    from sluice.history.stack import Stack

Watch = Annotated[bool, typer.Option("--watch", "-w", help="Go on, with a line whenever the traffic moves, until Ctrl-C.")]
# How often the splitter is looked at: reading one file costs nothing.
LOOK = 0.2


@options.spread
def status(watch: Watch = False, at: options.At = options.HERE, json: options.Json = False) -> None:
    """Show what is live and proven, what config names, where the traffic is, and who works on the stack.

    In plain Pulumi: `pulumi stack output live`, and `pulumi config get sluice:release`.
    """
    from sluice.history.locks import held

    seen = at.look()
    found = facts(seen, held(seen.pulumi, seen.backend))
    if json:
        say.data(found)
        return
    show(found)
    if watch:
        follow(seen)


def facts(seen: Stack, locks: list[str]) -> dict[str, Any]:
    """Return what is so."""
    live = seen.live
    last = seen.updates[0] if seen.updates else None
    return {
        "stack": seen.pulumi.stack,
        "live": live.shown if live else None,
        "configured": seen.configured,
        "named": seen.config is not None,
        "proven": [one.id for one in seen.records],
        "settled": live is not None and live.id == seen.configured,
        "traffic": traffic(seen),
        **lease(seen),
        "deadline": deadline(seen),
        "last": {"kind": last.kind, "outcome": last.outcome.value, "ended": last.ended} if last else None,
        "pending": seen.pending,
        "locks": locks,
        "url": seen.outputs.get("url"),
    }


def traffic(seen: Stack) -> dict[str, dict[str, int]] | None:
    """Return per cent by version, by service and door, as the splitter has it; None where there is none, or it cannot be asked."""
    from sluice.core.errors import Unreachable
    from sluice.systems import splits

    try:
        share = splits.open(seen.split).get() if seen.split else None
    except Unreachable:
        return None
    return {f"{route.service} {route.prefix}": share.weights(route) for route in share.routes} if share else None


def deadline(seen: Stack) -> dict[str, Any] | None:
    """Return how much time a way back that is under way has left, in seconds; None where none is, or its severity leaves all there is."""
    import time

    from sluice.history import due

    now, found = time.time(), due.deadline(seen)
    if found is None:
        return None
    left = max(0.0, found.begun + found.within - now)
    return {"severity": found.severity.value, "within": found.within, "left": left, "text": found.left(now)}


def lease(seen: Stack) -> dict[str, Any]:
    """Return who watches traffic that is not proven, and where it is held, as the splitter has it; what the keeper took back last."""
    from sluice.history.watch import ended, watch

    found = watch(seen)
    one = found.lease
    by = (
        {"by": "keeper" if one.hold else "deployer", "release": one.release, "silent": found.silent, "keeper": found.keeper}
        if one
        else None
    )
    return {"held": found.held, "watched": by, "ended": ended(seen)}


def show(found: dict[str, Any]) -> None:
    """Print it for people."""
    live = found["live"]
    say.lines(f"{found['stack']}: " + (f"'{live['id']}' is live and proven since {live['at']}" if live else "nothing is proven yet"))
    say.lines(*unsettled(found), *moved(found["traffic"]), *kept(found))
    if due := found["deadline"]:
        say.lines(f"  goes back; {due['text']}")
    if last := found["last"]:
        say.lines(f"  last {last['kind']} {last['outcome']}, {say.when(last['ended'])}")
    if found["pending"]:
        say.lines(f"  an update was killed while it worked on {', '.join(found['pending'])}: `pulumi up` goes on")
    say.lines(*(f"  {lock}" for lock in found["locks"]))


def unsettled(found: dict[str, Any]) -> list[str]:
    """Return what config names where that is not live; of what is held there its own line says how it goes on."""
    held = found["held"]
    if found["settled"] or (held and held["release"] == found["configured"]):
        return []
    return [f"  config names {_named(found)}"]


def _named(found: dict[str, Any]) -> str:
    """Say what config names that is not live, and what comes next."""
    id, live = found["configured"], found["live"]
    if not found["named"] and not live:
        return "no release yet: `sluice release VERSION` brings the first one out"
    if id is None:
        mend = f"`sluice abort` writes '{live['id']}' back" if live else "mend it"
        return f"no release that can be read: `pulumi preview` says why, {mend}"
    if id in found["proven"]:
        return f"'{id}', which is proven, and not live: `pulumi up` goes there"
    back = ", or `sluice rollback`" if live else ""
    return f"'{id}', which is not proven: `pulumi up`{back}"


def moved(traffic: dict[str, dict[str, int]] | None) -> list[str]:
    """Return a line for each door."""
    if traffic is None:
        return ["  traffic: not known"]
    return [f"  {door}: {_share(parts)}" for door, parts in traffic.items()]


def kept(found: dict[str, Any]) -> list[str]:
    """Return who watches traffic that is not proven; where nobody does any more, what the keeper made of the release in config."""
    held, watched, ended = found["held"], found["watched"], found["ended"]
    if watched is None:
        return [f"  {say.when(ended['at'])} {ended['why']}"] if ended and ended["release"] == found["configured"] else []
    alone = [] if watched["keeper"] else ["  AND NO KEEPER ANSWERS: `pulumi up` starts it again"]
    if held is None:
        return [f"  a deployer watches '{watched['release']}', its last sign {watched['silent']:.1f} s ago", *alone]
    from sluice.core.lease import said

    return [f"  {said(held)}: `sluice promote` goes on, `sluice abort` goes back", *alone]


def _share(parts: dict[str, int]) -> str:
    return ", ".join(f"{part} % {name}" for name, part in parts.items()) or "closed (503)"


def follow(seen: Stack) -> None:
    """Print the traffic whenever it moves."""
    import time

    before = traffic(seen)
    try:
        while True:
            time.sleep(LOOK)
            now = traffic(seen)
            if now != before:
                say.lines(f"{say.when(time.time())}", *moved(now))
                before = now
    except KeyboardInterrupt:
        return
