"""What a stack promises to others, and what it needs of them, as a Release declares it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from sluice.components.stack import Stack
from sluice.core import contract
from sluice.core.contract import Terms
from sluice.core.plan import Plan


def terms(stack: Stack, plan: Plan, databases: Sequence[str]) -> Terms:
    """Return what the stack promises once this release is live."""
    doors = {spec.service: spec.prefix for spec in plan.target.values() if spec.prefix}
    return contract.terms(stack.contract, doors=doors, databases=databases, deprecated=stack.deprecated)


def problems(stack: Stack, plan: Plan, now: Terms) -> list[str]:
    """Return why it must not promise that, and what it needs of others and does not get. A settled release, and one that is on its way
    back to a warm one, need nothing: they run already."""
    back = not plan.settled and any(record.id == plan.release for record in stack.proven)
    needs = [] if _exempt(plan) else [why for one in stack.producers.values() for why in one.refusals]
    return [*contract.problems(stack.promised, now, back=back), *needs]


def notes(stack: Stack, now: Terms) -> list[str]:
    """Return what other teams, and this one, should know of it."""
    return [*contract.notes(stack.promised, now), *(note for one in stack.producers.values() for note in one.notes)]


def checks(stack: Stack, plan: Plan) -> list[dict[str, Any]]:
    """Return what preflight asks of the other stacks: whether they are well."""
    return [] if _exempt(plan) else [check.wire() for one in stack.producers.values() for check in one.checks]


def _exempt(plan: Plan) -> bool:
    return plan.settled or plan.returning


def told(stack: Stack, plan: Plan, now: Terms) -> Terms:
    """Return what others may rely on once this update has ended: of a release that is held on its way, what they were promised before. It
    may yet go back, and what it has in addition with it."""
    return stack.promised if plan.holds and stack.promised else now


def outputs(now: Terms, url: pulumi.Output[str], live: pulumi.Output[Mapping[str, Any]]) -> dict[str, pulumi.Output[Any]]:
    """Return what is promised, from a release's last step on: of one that fails nothing is promised."""
    doors = {name.removeprefix(contract.DOOR): door for name, door in now.things.items() if name.startswith(contract.DOOR)}
    return {
        "contract": live.apply(lambda _: now.contract),
        "terms": live.apply(lambda _: now.text),
        "endpoints": pulumi.Output.all(url, live).apply(lambda known: {service: known[0] + door for service, door in doors.items()}),
    }
