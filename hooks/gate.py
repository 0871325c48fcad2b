"""A gate: checks at one moment of a release that must all hold before it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import CheckFailure, CheckResult, Resource

from sluice.hooks import journal
from sluice.hooks.base import Hook, Props, due, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import ThreadPoolExecutor

    from sluice.core.check import Check
    from sluice.core.clock import Clock
    from sluice.core.gate import Gate as Rules
    from sluice.core.verdict import Verdict

    Told = Callable[[Sequence[Verdict], Sequence[Check]], None]

# How often a gate looks up while slow checks are being answered, in seconds: told to stop, it ends within one.
GLANCE = 0.05

RULES = ("moment", "subject", "checks", "deadline", "poll", "hold", "on")


class GateProvider(Hook):
    """Asks until all checks pass in one and the same round, the deadline is over, or a critical one fails.

    Inputs beside every hook's: `moment`, `checks` (as `Check.wire()` writes them), `deadline`; optionally `subject` (what is
    gated, by default the release), `poll`, `hold` and `on`, all as in `core.gate.Gate`; `look`, where a failure sends people.
    Output: `verdicts`, a sentence a check.
    """

    def check(self, _olds: Any, news: Any) -> CheckResult:
        """Refuse, in preview already, a gate that could never be asked; a settled one is not looked at."""
        return CheckResult(news, failures(news) if due(_olds, news) else [])

    def run(self, props: Props) -> Props:
        """Wait at the gate; a settled release has passed it."""
        if props.get("settled"):
            return {"verdicts": []}
        from sluice.hooks.stop import Stop, WatchedClock

        found = wait(rules(props), WatchedClock(Stop()), told=partial(journal.judged, props))
        return {"verdicts": [verdict.text for verdict in found]}


class Gate(Resource, module="sluice", name="Gate"):
    """A gate in a stack; `props` are those of `GateProvider`."""

    verdicts: pulumi.Output[list[str]]

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(GateProvider(), name, {**props, "verdicts": None}, opts)


def rules(props: Props) -> Rules:
    """Parse a gate's own part of the inputs."""
    from sluice.core.gate import Gate as Rules

    given = {name: props[name] for name in RULES if props.get(name) is not None}
    return Rules.read({"subject": props["release"], **given})


def wait(gate: Rules, clock: Clock, ask: Callable[[Check], Verdict] | None = None, *, told: Told | None = None) -> list[Verdict]:
    """Return the verdicts of the round that opened the gate; raise GateFailed when there was none. `told` gets the last round's."""
    from sluice.core.errors import GateFailed
    from sluice.core.gate import State, Vigil, explain
    from sluice.core.wait import until
    from sluice.systems.crowd import crowd

    begun, vigil = clock.now(), Vigil(gate)
    with crowd(len(gate.checks)) as pool:
        state = until(
            lambda: vigil.see(verdicts(pool, gate.checks, clock, ask), clock.now()),
            lambda seen: seen is not State.WAITING,
            clock=clock,
            deadline=gate.deadline,
            poll=gate.poll,
        )
    if told:
        told(vigil.verdicts, gate.checks)
    if state is not State.OPEN:
        raise GateFailed(explain(vigil, clock.now() - begun))
    return vigil.verdicts


def verdicts(
    pool: ThreadPoolExecutor, checks: Sequence[Check], clock: Clock, ask: Callable[[Check], Verdict] | None = None
) -> list[Verdict]:
    """Ask every check once, all at once, and return the verdicts in the same order."""
    from concurrent import futures

    from sluice.core.errors import ConfigError
    from sluice.systems.ask import verdict

    answers = [pool.submit(ask or verdict, check) for check in checks]
    while futures.wait(answers, timeout=GLANCE).not_done:
        clock.wait(0)
    try:
        return [answer.result() for answer in answers]
    except ValueError as error:
        raise ConfigError([str(error)]) from None


def failures(props: Props) -> list[CheckFailure]:
    """Say what is wrong with a gate's inputs, as far as they are known in preview."""
    # Without the name of a property the engine does not print its whole value.
    return [CheckFailure("", why) for why in wrong(props)]


def wrong(props: Props) -> list[str]:
    """Return everything that is wrong with a gate's own inputs, each with its path."""
    from pydantic import ValidationError

    from sluice.systems.ask import problems

    try:
        return [why for check in rules(props).checks for why in problems(check)]
    except ValidationError as error:
        return [f"{_path(found['loc'])}: {found['msg']}" for found in error.errors() if _known(props, found["loc"])]


def _known(props: Props, path: tuple[Any, ...]) -> bool:
    return not path or not unknown(props.get(path[0]))


def _path(path: tuple[Any, ...]) -> str:
    return ".".join(map(str, path)) or "gate"
