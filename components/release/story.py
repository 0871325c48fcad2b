"""What people are told before a release does anything."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from sluice.components import facts, marks
from sluice.components.release.data import Data
from sluice.components.release.scope import Scope
from sluice.core.plan import text
from sluice.core.requirement import Fact


def say(on: Scope, found: Sequence[Fact], due: Sequence[str]) -> None:
    """Tell people, in preview and before an update, what is going to happen, by what was found and the marks that are due."""
    if not on.plan.settled:
        pulumi.log.info(text(on.plan), on.owner)
    elif due:
        pulumi.log.info(marks.story(on.stack), on.owner)
    refusals = [fact.line for fact in found if not fact.ok]
    if refusals and pulumi.runtime.is_dry_run():
        pulumi.log.warn("\n  - ".join(["as things are now, `pulumi up` will refuse this release:", *refusals]), on.owner)


def explain(on: Scope, data: Data) -> None:
    """Say in preview what every pending migration does; where the database is not there yet, from its files alone."""
    named = on.stack.settings.release.schema_
    if not named or on.plan.settled or not pulumi.runtime.is_dry_run():
        return
    # How long they took on the stack that must prove this release first.
    took = facts.took(on.stack)
    if on.plan.first:
        pulumi.log.info("\n".join(facts.outline(named, on.args.migrations, took)), on.owner)
    else:
        ask, when = facts.asked(on.stack, on.plan), data.rules.when
        known = pulumi.Output.all(wires=data.wanted(), folder=on.runtime.backups)
        known.apply(lambda one: facts.explain(one["wires"], one["folder"], took, on.owner, when=when, ask=ask))
