"""`sluice plan`: what going back would take, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluice.cli import options, say

if TYPE_CHECKING:
    from sluice.core.rollback.database import Database
    from sluice.core.rollback.past import Past
    from sluice.core.rollback.plan import Plan, Wish
    from sluice.history.orders import Orders
    from sluice.history.stack import Stack


@options.spread
def plan(
    asked: options.Asked = options.NEWEST,
    at: options.At = options.HERE,
    json: options.Json = False,
) -> None:
    """Say how to go back to a proven release, why that one, what it takes of each database, and what that would lose.

    In plain Pulumi: the commands that it ends with.
    """

    wish = asked.wish
    seen = at.look()
    made = make(seen, wish)
    told = orders(seen, made)
    if json:
        say.data(made.wire() | {"commands": told.shown})
    else:
        show(seen, made, told)


def make(seen: Stack, wish: Wish) -> Plan:
    """Gather the facts, and decide."""
    from datetime import UTC, datetime

    from sluice.core.rollback.plan import plan
    from sluice.history import facts

    target = named(seen, wish.to) if wish.to else seen.aim.target
    live = seen.pasts[0] if seen.pasts else None
    alone = wish.only == "database"
    whose = live if alone else target
    wish = sole(seen, wish)
    made = plan(
        failing=seen.aim.leaving(target, live.id) if wish.to and target and live else seen.aim.failing,
        live=live,
        target=target,
        databases=databases(seen, whose, wish) if whose else [],
        wish=wish,
        unreachable=facts.unreachable(seen, whose) if whose else [],
        nowhere=seen.aim.why,
        clear=facts.clear(seen, live) if alone and live else None,
    )
    return made.barred(facts.barred(seen, made.target, datetime.now(UTC))) if made.target else made


def sole(seen: Stack, wish: Wish) -> Wish:
    """Give a revision without a database to the only one that there is."""
    if "" not in wish.revisions:
        return wish
    from sluice.core.errors import Refused

    if len(seen.stores) != 1:
        known = ", ".join(seen.stores) or "none"
        raise Refused([f"--to-revision {wish.revisions['']}: of which database? write DATABASE={wish.revisions['']}; known are {known}"])
    return wish.model_copy(update={"revisions": {next(iter(seen.stores)): wish.revisions[""]}})


def databases(seen: Stack, whose: Past, wish: Wish) -> list[Database]:
    """Return the databases as they are; a stack without one does not wait for the drivers."""
    if not seen.stores:
        return []
    from sluice.core.rollback.symptom import Scope
    from sluice.history import databases

    return databases.look(seen, whose, restore=wish.scope is Scope.RESTORE, named=wish.backups)


def named(seen: Stack, to: str) -> Past:
    """Return the proven release that is meant; of one version with several configurations the newest."""
    from sluice.core.errors import Refused

    found = [past for past in seen.pasts if to in (past.id, past.record.version)]
    if not found:
        known = ", ".join(past.id for past in seen.pasts) or "none"
        raise Refused([f"'{to}' is no proven release of '{seen.pulumi.stack}': known are {known}"])
    return found[0]


def orders(seen: Stack, made: Plan) -> Orders:
    """Return the plain commands of a plan; none of one that is refused."""
    from sluice.history.orders import orders

    return orders(seen, made, message(made))


def message(made: Plan) -> str:
    """Say in history what is gone back from."""
    from sluice.core.rollback.course import BACK

    return f"{BACK}{made.failing} to {made.target}"


def show(seen: Stack, made: Plan, told: Orders) -> None:
    """Print a plan for people."""
    from sluice.core.rollback.database import Action
    from sluice.history import facts

    target = next((past for past in seen.pasts if past.id == made.target), None)
    # Where nothing is gone back to, a second id would tell of a way.
    way = f" to '{made.target}'" if made.target and made.action is not Action.NOTHING else ""
    # Before a first release there is nothing to leave.
    say.lines(f"{made.action.value}: from '{made.failing}'{way}" if made.failing else made.action.value)
    say.lines(*(f"  because {reason}" for reason in made.reasons), *_services(made), *_steps(made), *_due(seen, made, target))
    say.lines(*(f"  note: {note}" for note in (facts.notes(seen, target) if target else [])))
    say.lines(*(f"  refused: {why}" for why in made.refusals))
    if told.shown:
        say.lines("in plain Pulumi:", *(f"  {command}" for command in told.shown))


def _due(seen: Stack, made: Plan, target: Past | None) -> list[str]:
    """Say by when it has to be over, how long it should take, and what else there is where that is too long."""
    from sluice.core.rollback.past import expected

    bad = made.severity
    # The reason of a single symptom has said so already.
    told = bad is None or any(reason.endswith(f"{bad.value}, {bad.todo}") for reason in made.reasons)
    severity = [] if bad is None or told else [f"  {bad.value}: {bad.todo}"]
    time = expected(target, seen.updates) if target and made.runs else None
    long = time and made.within is not None and time.seconds > made.within
    quicker = ["  note: that is longer than its severity leaves: a flag, or a release that still runs beside it (--to), is quicker"]
    return [*severity, *([f"  expected: {time.text}"] if time else []), *(quicker if long else [])]


def _services(made: Plan) -> list[str]:
    return [
        f"  {name}: stays as it is ({new})" if old == new else f"  {name}: {old or 'nothing'} -> {new or 'goes'}"
        for name, (old, new) in made.services.items()
    ]


def _steps(made: Plan) -> list[str]:
    return [line for step in made.steps for line in _step(step)]


def _step(step: Any) -> list[str]:
    time = [f"    took {step.seconds:.1f} s before"] if step.seconds is not None else []
    # A database whose revision nobody has ever named has none.
    where = f" at '{step.revision}'" if step.revision else ""
    return [
        f"  {step.database}{where}: {step.action.value}: {step.why}",
        *(f"    loses {loss}" for loss in step.loses),
        *time,
    ]
