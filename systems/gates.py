"""A stack's gates, asked once each without a release: every answer is a verdict, and nothing is changed.

What the journeys of a smoke test make on their way they remove again, as they do in a release.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

from sluice.core.check import Check
from sluice.core.clock import Clock
from sluice.core.errors import ConfigError, GateFailed, Interrupted, SluiceError
from sluice.core.journey import Journey, parse
from sluice.core.questions import Health, Mark, Preflight, Questions, Smoke
from sluice.core.verdict import Outcome, Severity, Verdict
from sluice.systems import able, ask, runner, splits
from sluice.systems.crowd import crowd
from sluice.systems.sight import Sight
from sluice.systems.trip import World, walk

# How often somebody who waits for slow answers looks up, in seconds: told to stop, he ends within one.
GLANCE = 0.05


def preflight(asked: Preflight, clock: Clock) -> list[Verdict]:
    """Look at what must be so before a release begins."""
    facts = [_fact(one.name, one.ok, f"{one.name}: as it should be" if one.ok else one.line) for one in asked.facts]
    machine = [_fact("machine", False, why) for why in runner.lacks(asked.requirements)]
    data = (
        [_fact("databases", False, why) for why in able.refusals(asked.databases, asked.when, place=asked.room)] if asked.databases else []
    )
    passed = [] if machine else [_fact("machine", True, "machine: has what the program requires")]
    passed += [_fact("databases", True, "databases: can go where config wants them, and be saved")] if asked.databases and not data else []
    return [*facts, *machine, *data, *passed]


def _fact(name: str, ok: bool, text: str) -> Verdict:
    return Verdict.of(name, Outcome.PASSED if ok else Outcome.FAILED, text, Severity.P1)


def health(asked: Health, clock: Clock) -> list[Verdict]:
    """Ask the versions of the configured release on their own addresses; of one that does not run there is no evidence."""
    return [*(_absent(name) for name in asked.absent), *_answers(asked.checks, ask.verdict, clock)]


def _absent(name: str) -> Verdict:
    return Verdict.of(name, Outcome.INCONCLUSIVE, f"{name} does not run, so that nobody can ask it: `pulumi up` starts it", Severity.P1)


def _answers(checks: Sequence[Check], put: Callable[[Check], Verdict], clock: Clock) -> list[Verdict]:
    """Ask all at once, and answer in their order."""
    if not checks:
        return []
    try:
        with crowd(len(checks)) as pool:
            answers = [pool.submit(put, check) for check in checks]
            while not all(one.done() for one in answers):
                clock.wait(GLANCE)
            return [one.result() for one in answers]
    except ValueError as error:
        raise ConfigError([str(error)]) from None


def smoke(asked: Smoke, clock: Clock) -> list[Verdict]:
    """Walk every journey, whatever became of the one before; each has a run of its own, and cleans up after itself."""
    begun = clock.now()
    return [_walked(one, asked, clock, begun) for one in parse(asked.journeys)]


def _walked(journey: Journey, asked: Smoke, clock: Clock, begun: float) -> Verdict:
    targets = {name: url.rstrip("/") for name, url in asked.targets.items()}
    world = World(targets, asked.databases, uuid.uuid4().hex[:12], clock, asked.deadline, begun)
    name = f"journey '{journey.name}'"
    try:
        warnings = walk(journey, world)
    except Interrupted:
        raise
    except GateFailed as error:
        return Verdict.of(name, Outcome.FAILED, str(error), Severity.P1)
    except (SluiceError, KeyError) as error:
        why = f"it asks {error}, which the stack does not have" if isinstance(error, KeyError) else str(error)
        return Verdict.of(name, Outcome.ERRORED, f"{name} could not be walked: {why}", Severity.P1)
    count = len(journey.steps)
    return Verdict.of(name, Outcome.PASSED, "; ".join([f"{name}: {count} step{'' if count == 1 else 's'}", *warnings]), Severity.P1)


def mark(asked: Mark, smoke_: Smoke | None, split: dict[str, object], clock: Clock) -> list[Verdict]:
    """Count traffic for the mark's window, then judge all its checks at once; the journeys, if they belong to it, come before."""
    sight = Sight(splits.open(split), asked.versions, clock)
    walked = smoke(smoke_, clock) if asked.smoke and smoke_ else []
    clock.wait(sight.begun + asked.window - clock.now())
    return [*walked, *_answers(asked.checks, sight.verdict, clock)]


def look(gate: str, asked: Questions, clock: Clock) -> list[Verdict]:
    """Ask one gate, by its name; none when the stack has no such gate."""
    if gate == "preflight":
        return preflight(asked.preflight, clock)
    if gate == "health":
        return health(asked.health, clock)
    if gate == "smoke":
        return smoke(asked.smoke, clock) if asked.smoke else []
    return mark(asked.mark, asked.smoke, asked.split, clock) if asked.mark else []
