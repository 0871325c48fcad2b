"""`sluice plan`: what going back would take, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluice.cli import options, say

if TYPE_CHECKING:
    from sluice.core.rollback.past import Past
    from sluice.core.rollback.plan import Database, Plan
    from sluice.core.rollback.symptom import Symptom
    from sluice.history.stack import Stack


def plan(
    to: options.To = None,
    services_only: options.Only = False,
    accept_loss: options.Accept = [],  # noqa: B006
    symptom: options.Trouble = [],  # noqa: B006
    rate: options.Rate = None,
    severity: options.Severity = None,
    stack: options.StackName = None,
    cwd: options.Folder = options.HERE,
    json: options.Json = False,
) -> None:
    """Say how to go back to a proven release, why that one, what it takes of each database, and what that would lose.

    In plain Pulumi: the commands that it ends with.
    """
    from sluice.core.rollback.symptom import read
    from sluice.history.pulumi import find
    from sluice.history.stack import look

    symptoms = read(symptom, rate, severity)
    seen = look(find(cwd.resolve(), stack))
    made = make(seen, to=to, services_only=services_only, allowed=accept_loss, symptoms=symptoms)
    if json:
        say.data(made.wire() | {"commands": commands(seen, made)})
    else:
        show(seen, made)


def make(seen: Stack, *, to: str | None, services_only: bool, allowed: list[str], symptoms: list[Symptom]) -> Plan:
    """Gather the facts, and decide."""
    from sluice.core.rollback.plan import plan
    from sluice.core.rollback.symptom import Scope, widest
    from sluice.history import facts

    target = named(seen, to) if to else seen.aim.target
    restore = widest(symptoms) is Scope.RESTORE and not services_only
    return plan(
        failing=seen.aim.failing,
        live=seen.pasts[0] if seen.pasts else None,
        target=target,
        databases=databases(seen, target, restore) if target else [],
        symptoms=symptoms,
        services_only=services_only,
        allowed=allowed,
        unreachable=facts.unreachable(seen, target) if target else [],
        nowhere=seen.aim.why,
    )


def databases(seen: Stack, target: Past, restore: bool) -> list[Database]:
    """Return the databases as they are; a stack without one does not wait for the drivers."""
    if not seen.stores:
        return []
    from sluice.history import databases

    return databases.look(seen, target, restore=restore)


def named(seen: Stack, to: str) -> Past:
    """Return the proven release that is meant; of one version with several configurations the newest."""
    from sluice.core.errors import Refused

    found = [past for past in seen.pasts if to in (past.id, past.record.version)]
    if not found:
        known = ", ".join(past.id for past in seen.pasts) or "none"
        raise Refused([f"'{to}' is no proven release of '{seen.pulumi.stack}': known are {known}"])
    return found[0]


def commands(seen: Stack, made: Plan) -> list[str]:
    """Return the plain commands of a plan; none of one that is refused."""
    from sluice.history import facts

    return facts.shown(facts.commands(seen.pulumi, made.config, message(made))) if made.runs and made.config else []


def message(made: Plan) -> str:
    """Say in history what is gone back from."""
    from sluice.core.rollback.past import BACK

    return f"{BACK}{made.failing} to {made.target}"


def show(seen: Stack, made: Plan) -> None:
    """Print a plan for people."""
    from sluice.core.rollback.past import expected
    from sluice.history import facts

    target = next((past for past in seen.pasts if past.id == made.target), None)
    say.lines(f"{made.action.value}: from '{made.failing}' to '{made.target or 'nothing'}'")
    say.lines(*(f"  because {reason}" for reason in made.reasons), *_services(made), *_steps(made))
    if made.severity:
        say.lines(f"  {made.severity.value}: {made.severity.todo}")
    if target and made.runs and (time := expected(target, seen.updates)):
        say.lines(f"  expected: {time}")
    say.lines(*(f"  note: {note}" for note in (facts.notes(seen, target) if target else [])))
    say.lines(*(f"  refused: {why}" for why in made.refusals))
    if plain := commands(seen, made):
        say.lines("in plain Pulumi:", *(f"  {command}" for command in plain))


def _services(made: Plan) -> list[str]:
    return [
        f"  {name}: stays as it is ({new})" if old == new else f"  {name}: {old or 'nothing'} -> {new or 'goes'}"
        for name, (old, new) in made.services.items()
    ]


def _steps(made: Plan) -> list[str]:
    return [line for step in made.steps for line in _step(step)]


def _step(step: Any) -> list[str]:
    return [f"  {step.database} at '{step.revision}': {step.action.value}: {step.why}", *(f"    loses {loss}" for loss in step.loses)]
