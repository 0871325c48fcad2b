"""What divides traffic between versions, each behind the port in `port`.

A split travels as a plain descriptor: `{kind, ..., routes}`; `routes` name each service's door and its live version, which is
where traffic goes back to. With `through`, a command that runs another one there, its files are elsewhere (`remote`).
Imports are late: a settled stack only looks, and pays for nothing else.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sluice.core import home
from sluice.core.errors import Unreachable

if TYPE_CHECKING:
    from sluice.core.split import Route, Share
    from sluice.systems.splits.port import Split
    from sluice.systems.splits.remote import RemoteSplit

# How long a splitter may take to follow a write. Envoy takes about 10 ms; seconds mean that it is down.
FOLLOW = 5.0
# What the share of an abort begins with, in place of a release.
ABORTED = "aborted"
# And that of the command's. What a failed step or the keeper took back may be tried again at once, what a person took back may not.
ORDERED = f"{ABORTED} by sluice abort"


def open(descriptor: dict[str, Any]) -> Split:
    """Return the splitter of a descriptor."""
    if descriptor["kind"] != "envoy":
        raise ValueError(f"no splitter of kind '{descriptor['kind']}', known is 'envoy'")
    if descriptor.get("through"):
        return _remote(descriptor)
    from sluice.systems.splits import envoy

    return envoy.open_split(descriptor)


def _remote(descriptor: dict[str, Any]) -> RemoteSplit:
    from sluice.systems.splits.remote import RemoteSplit

    return RemoteSplit(descriptor)


def word(descriptor: dict[str, Any]) -> dict[str, Any]:
    """Return what the splitter's keeper says (keeper.file.word)."""
    if descriptor.get("through"):
        return _remote(descriptor).word()
    from sluice.systems.keeper import file

    return file.word(descriptor["folder"])


def lines(descriptor: dict[str, Any]) -> list[str]:
    """Return the journal of a keeper that does not see the stack's own; of any other, which writes there, nothing."""
    return _remote(descriptor).lines() if descriptor.get("through") else []


def routes(descriptor: dict[str, Any]) -> list[Route]:
    """Return the doors of a descriptor with their live versions."""
    from sluice.core.split import Route

    return [Route.read(route) for route in descriptor["routes"]]


def clear(descriptor: dict[str, Any], release: str, *, since: float | None = None) -> Share:
    """Put all traffic on the live versions, unless the share already is this release's own. With `since` as `restore`. Returns what
    holds now."""
    anew = False
    with suppress(Unreachable):
        now = open(descriptor).get()
        if now.release == release:
            return now
        # That an earlier release was aborted must not be taken for this one: it may be one that moves no traffic, and writes nothing.
        anew = now.release.startswith(ABORTED)
    return restore(descriptor, f"before {release}", anew=anew, since=since)


def restore(descriptor: dict[str, Any], release: str, *, anew: bool = False, since: float | None = None) -> Share:
    """Put all traffic on the live versions (closed doors where there is none), whoever owned the split, and wait for it. Where it is there
    already nothing is written, unless `anew`. With `since` (seconds since the epoch) only when nobody has asked for an abort from then on,
    else Superseded."""
    split = open(descriptor)
    if settled(descriptor) and not anew:
        return split.get()
    share = split.take(release, [route.model_copy(update={"canary": None}) for route in routes(descriptor)], since=since)
    if not split.confirm(share, FOLLOW):
        raise Unreachable(f"the splitter did not follow within {FOLLOW:.0f} s: all traffic should be on the live versions; check the proxy")
    return share


def abort(fallback: dict[str, Any], reason: str) -> None:
    """Take all traffic back to the live versions because a step after the canary failed."""
    restore(fallback, f"{ABORTED}: {reason}"[:80])


def bar(descriptor: dict[str, Any]) -> None:
    """Say beside traffic that is on the live versions already that an update on its way is to get none."""
    open(descriptor).take(ORDERED, routes(descriptor))


def aborted(descriptor: dict[str, Any]) -> str:
    """Return by whom traffic was taken back since the last release took it; empty when nobody has."""
    release = str(open(descriptor).told().get("release", ""))
    return release if release.startswith(ABORTED) else ""


def settled(descriptor: dict[str, Any]) -> bool:
    """Say, by a local look, whether all traffic is on the live versions; what cannot be read is not."""
    try:
        return home.home(open(descriptor).told(), descriptor["routes"])
    except Unreachable:
        return False


def close(descriptor: dict[str, Any]) -> None:
    """Close every door (503), whether or not the splitter still runs: the last thing before versions are stopped for good."""
    split = open(descriptor)
    share = split.take("closed", [route.model_copy(update={"live": None, "canary": None}) for route in routes(descriptor)])
    with suppress(Unreachable):
        split.confirm(share, FOLLOW)
