"""What people are told before a release does anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi

from sluice.components import contract, facts, marks, restores
from sluice.components.release.data import Data
from sluice.components.release.scope import Scope
from sluice.core.foreseen import foresee
from sluice.core.plan import text
from sluice.core.requirement import Fact
from sluice.hooks.preflight import asked
from sluice.systems import runner


def say(on: Scope, found: Sequence[Fact], due: Sequence[str]) -> None:
    """Tell people, in preview and before an update, what is going to happen, by what was found and the marks that are due."""
    if not on.plan.settled:
        pulumi.log.info(text(on.plan), on.owner)
    elif due:
        pulumi.log.info(marks.story(on.stack), on.owner)
    if notes := contract.notes(on.stack, on.terms):
        pulumi.log.warn("\n  - ".join(["what other stacks are told:", *notes]), on.owner)
    refusals = [fact.line for fact in found if not fact.ok]
    if pulumi.runtime.is_dry_run() and (refusals := [*refusals, *_elsewhere(on)]):
        pulumi.log.warn(foresee(refusals), on.owner)


def _elsewhere(on: Scope) -> list[str]:
    """Return what other stacks, and the place where this one runs, have against a release."""
    return [*asked(contract.checks(on.stack, on.plan)), *runner.lacks(on.placed)]


def explain(on: Scope, data: Data) -> None:
    """Say in preview what becomes of databases: what goes back to a backup, and what every pending migration does.

    Where a database is not there yet, from the migrations' files alone.
    """
    if not pulumi.runtime.is_dry_run() or (on.plan.settled and not on.instructions):
        return
    named = on.stack.settings.release.schema_
    if not on.plan.first:
        known = pulumi.Output.all(wires=data.each(), folder=on.runtime.backups)
        known.apply(lambda one: _explain(on, data, one["wires"], one["folder"]))
    elif named:
        pulumi.log.info("\n".join(facts.outline(named, on.args.migrations, facts.took(on.stack))), on.owner)


def _explain(on: Scope, data: Data, wires: Sequence[Any], folder: str) -> None:
    settled = on.plan.settled
    back = restores.explain(on.instructions, wires, folder, on.owner, moves=bool(on.plan.new), settled=settled)
    stay = [one for one in wires if one["store"]["dbname"] not in back and one["target"]]
    if stay and not settled:
        ask, when, skip = facts.asked(on.stack, on.plan), data.rules.when, data.skip
        # How long they took on the stack that must prove this release first.
        facts.explain(stay, data.placed(folder), facts.took(on.stack), on.owner, when=when, ask=ask, skip=skip)
