"""Smoke tests: a few real journeys through a version on its own address, and later through the front door."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import CheckFailure, CheckResult, Resource

from sluice.hooks.base import Hook, Props, unknown

if TYPE_CHECKING:
    from sluice.core.journey import Journey
    from sluice.systems.trip import World

# Runbook 004 gives its smoke tests two to three minutes.
DEADLINE = 180.0


class SmokeProvider(Hook):
    """Walks journeys one after the other, cleaning up after each; the first that fails ends it.

    Inputs beside every hook's: `journeys` (as `Journey.wire()` writes them), `targets` (a URL a service, all of them the front
    door's where it is tested), `databases` (a server a name: host, port, dbname, user, passfile), optionally `deadline` in seconds
    for all steps together, and `skip` (who lets the release go without them). Output: `warnings`, what went wrong in steps that are not
    critical.
    """

    moment = "smoke"
    told = ("warnings",)

    def check(self, _olds: Any, news: Any) -> CheckResult:
        """Refuse, in preview already, journeys that could never be walked; a settled release's are not looked at."""
        return CheckResult(news, [] if news.get("settled") is True else failures(news))

    def run(self, props: Props) -> Props:
        """Walk them all; a settled release has passed them."""
        if props.get("settled"):
            return {"warnings": []}
        if who := props.get("skip"):
            return {"warnings": [f"no journey was walked: '{who}' lets {props['release']} go without its smoke tests"]}
        from sluice.core.errors import ConfigError
        from sluice.core.journey import parse
        from sluice.hooks.stop import Stop, WatchedClock
        from sluice.systems.trip import walk

        problems = [f"{name}: {why}" for name, why in _wrong(props)]
        if problems:
            raise ConfigError(problems)
        clock = WatchedClock(Stop())
        journeys, begun = parse(props["journeys"]), clock.now()
        rows, found = [], []
        try:
            for journey in journeys:
                at = clock.now()
                # Each has a run of its own, so that what one leaves behind never meets another.
                found += walk(journey, world(props, clock, begun), lambda why: _retreat(props, why))
                rows.append(_row(journey, clock.now() - at))
        finally:
            _told(props, rows)
        return {"warnings": found}


class Smoke(Resource, module="sluice", name="Smoke"):
    """Smoke tests in a stack; `props` are those of `SmokeProvider`."""

    warnings: pulumi.Output[list[str]]

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(SmokeProvider(), name, {**props, "warnings": None}, opts)


def _row(journey: Journey, seconds: float) -> Props:
    """Return what the journal keeps of a journey that was walked to its end."""
    steps = len(journey.steps)
    seen = f"{steps} step{'' if steps == 1 else 's'} in {seconds:.1f} s"
    return {"check": journey.name, "outcome": "passed", "severity": "", "observed": seen, "expected": "every step as it is written"}


def _told(props: Props, rows: list[Props]) -> None:
    from sluice.core.journal import Happened
    from sluice.hooks import journal

    if rows:
        journal.say(props, Happened.JUDGED, "", {"verdicts": rows})


def world(props: Props, clock: Any, begun: float) -> World:
    """Return what a journey goes through, with a name of its own for the run."""
    import uuid

    from sluice.systems.trip import World

    deadline = float(props.get("deadline") or DEADLINE)
    targets = {name: url.rstrip("/") for name, url in props["targets"].items()}
    return World(targets, props.get("databases") or {}, uuid.uuid4().hex[:12], clock, deadline, begun)


def failures(props: Props) -> list[CheckFailure]:
    """Say what is wrong with the journeys, as far as it is known in preview."""
    return [] if unknown(props.get("journeys")) else [CheckFailure(name, why) for name, why in _wrong(props)]


def _wrong(props: Props) -> Iterator[tuple[str, str]]:
    from sluice.core.errors import ConfigError
    from sluice.core.journey import parse
    from sluice.systems.journey import unread

    try:
        journeys = parse(props["journeys"])
    except ConfigError as error:
        yield from (("journeys", problem) for problem in error.problems)
        return
    yield from (("journeys", problem) for problem in unread(journeys))
    for kind, asked in (("targets", {name for one in journeys for name in one.targets}), ("databases", _databases(journeys))):
        given = props.get(kind) or {}
        # Not known before the update: then it is known in time.
        if isinstance(given, Mapping):
            yield from ((kind, f"has no '{name}', which a journey asks") for name in sorted(asked - given.keys()))


def _databases(journeys: list[Journey]) -> set[str]:
    return {name for one in journeys for name in one.databases}


def _retreat(props: Props, why: str) -> None:
    """Take traffic back before the cleaning up, which may take its time; what fails here is tried again and told afterwards."""
    if not props.get("fallback"):
        return
    from sluice.systems.splits import abort

    with suppress(Exception):
        abort(dict(props["fallback"]), why)
