"""The marks of a stack's live release, as a Release declares them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluice.components.stack import Stack
from sluice.core import mark
from sluice.core.check import Check
from sluice.core.mark import Standing, limits, strictest
from sluice.core.plan import Plan
from sluice.core.record import Record, before
from sluice.core.settings.mark import Mark
from sluice.core.thresholds import health, watches
from sluice.core.version import Version


@dataclass(frozen=True, kw_only=True)
class At:
    """What a team's checks at a mark are made from: `after`, in seconds, of the latest mark that is due; the running versions by service;
    the parameters of `sql` questions by database."""

    after: float
    versions: Mapping[str, Version]
    databases: Mapping[str, Mapping[str, Any]]


Checks = Callable[[At], list[Check]]


def standing(stack: Stack) -> Standing:
    """Return where the live release stands; there must be one."""
    return Standing.of(stack.proven[0], stack.settings.rollout.marks, stack.marks)


def due(stack: Stack) -> list[str]:
    """Return the names of the marks that are due."""
    return [one.name for one in standing(stack).due(stack.now)]


def wants(stack: Stack) -> Mark:
    """Return what the marks that are due want together."""
    return strictest(standing(stack).due(stack.now))


def passed(stack: Stack) -> dict[str, str]:
    """Return when each mark was passed, as outputs have it."""
    found: dict[str, str] = standing(stack).shown["passed"]
    return found


def kept(stack: Stack) -> list[Record]:
    """Return the proven releases, the live one with the marks that it has passed: with another one live, its output is gone."""
    if not stack.proven:
        return []
    live, *older = stack.proven
    return [live.model_copy(update={"marks": standing(stack).passed}), *older]


def shown(stack: Stack, live: Mapping[str, Any], passed: Mapping[str, str], seen: Sequence[str]) -> dict[str, Any]:
    """Return the output `marks`, once it is known what is live, what was passed, and on which sentences."""
    known = {"release": live["id"], "since": live["at"], "passed": passed}
    standing = Standing.read({**known, "marks": [one.wire() for one in stack.settings.rollout.marks]})
    return {**standing.shown, **({"seen": list(seen)} if seen else {})}


def story(stack: Stack) -> str:
    """Say what this update looks at."""
    return mark.story(standing(stack), stack.now)


def checks(stack: Stack, plan: Plan, running: Mapping[str, Any], stores: Mapping[str, Any], more: Checks | None) -> list[Check]:
    """Return what is asked: what a canary is asked about one version, with the marks' own limits, and what the team adds."""
    versions = {service: Version.read(one) for service, one in running.items()}
    at = At(after=wants(stack).after, versions=versions, databases=stores)
    return [*_own(stack, plan, versions, stores), *(more(at) if more else [])]


def _own(stack: Stack, plan: Plan, versions: Mapping[str, Version], stores: Mapping[str, Any]) -> Iterator[Check]:
    thresholds = limits(wants(stack), stack.settings.rollout.thresholds)
    for service, version in versions.items():
        spec = plan.target[service]
        yield from [health(version, spec.health)] if spec.health else []
        yield from watches(thresholds, spec, version, stores.get(spec.database) if spec.database else None)


def back(stack: Stack, name: str) -> str:
    """Say what a failed mark leaves, and how to go back from it."""
    live = f"{stack.proven[0].id} stays live and the mark stays due"
    left = before(stack.proven)
    if left is None:
        return f"{live}; there is no earlier release to go back to"
    earlier = left[0]
    where = f"sluice:release.version {earlier.version} --stack {name}"
    rest = f"and the rest of its sluice:release, then: pulumi up --stack {name}"
    return f"{live}; back to {earlier.id}: pulumi config set --path {where}, {rest}"
