"""Where a release goes from where the stack is, or why it cannot."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from sluice.components import contract, facts, marks
from sluice.components.release.args import ReleaseArgs
from sluice.components.service import ServiceArgs
from sluice.components.stack import Stack
from sluice.core.plan import Plan, plan, problems
from sluice.core.settings.release import Service
from sluice.core.spec import Spec
from sluice.runtimes import port


def planned(args: ReleaseArgs, stack: Stack, runtime: port.Runtime) -> Plan:
    """Return the plan of this update; all that is wrong with it ends the program, before anything is declared."""
    found = _plan(args, stack)
    wrong = problems(found, most=runtime.replicas, weights=runtime.weights, keeper=runtime.keeper)
    wrong += [] if found.settled else facts.unknown(stack.settings.release.schema_, args.migrations)
    wrong += [] if found.settled else [*facts.unasked(args.proofs, args.databases), *facts.alone(args.agreed, args.databases)]
    wrong += contract.problems(stack, found, contract.terms(stack, found, args.databases))
    if wrong:
        raise pulumi.RunError("\n".join(wrong))
    return found


def _plan(args: ReleaseArgs, stack: Stack) -> Plan:
    rollout, leave = stack.settings.rollout, facts.left(stack)
    return plan(
        release=stack.settings.release.id,
        target=_specs(args.services, stack),
        ladder=rollout.walked,
        proven=stack.proven,
        window=rollout.window,
        now=stack.now,
        until=100 if leave.whole else rollout.until,
        hold=rollout.hold,
        owed=[mark.name for mark in marks.standing(stack).owed] if stack.proven else [],
        skipped=leave.skipped,
    )


def _specs(services: Sequence[ServiceArgs], stack: Stack) -> dict[str, Spec]:
    """Return the specs by service, each after those that it needs: their names are part of its own."""
    specs: dict[str, Spec] = {}
    waiting = list(services)
    while waiting:
        ready = [one for one in waiting if specs.keys() >= set(one.needs)]
        if not ready:
            raise pulumi.RunError("\n".join(_stuck(waiting, services)))
        specs |= {one.name: _spec(one, stack, [_called(specs[name]) for name in one.needs]) for one in ready}
        waiting = [one for one in waiting if one.name not in specs]
    return {one.name: specs[one.name] for one in services}


def _called(spec: Spec) -> str:
    """Return how others name what they need: of a single service whatever version runs, so that another one leaves them as they are."""
    return spec.service if spec.single else spec.name


def _stuck(waiting: Sequence[ServiceArgs], services: Sequence[ServiceArgs]) -> list[str]:
    """Say why services can never start."""
    names = [one.name for one in services]
    strange = [
        f"service '{one.name}': needs '{name}', which is none of {', '.join(names)}"
        for one in waiting
        for name in one.needs
        if name not in names
    ]
    circle = ", ".join(f"'{one.name}'" for one in waiting)
    return strange or [f"services {circle}: each waits for another of them (needs), so that none could be the first"]


def _spec(service: ServiceArgs, stack: Stack, needs: Sequence[str]) -> Spec:
    release = stack.settings.release
    asked = release.services.get(service.name, Service())
    return service.spec(asked.version or release.version, settings=asked.settings, replicas=asked.replicas, needs=needs)
