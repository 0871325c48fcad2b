"""What a release's gates would ask now, written down for a command that asks without a release.

The program alone knows its checks: a settled release's resources hold none, since every update would carry them, and a team's are code.
So the command runs the program in a preview, and tells it in a variable where to write them (docs/decisions/0018-questions.md).
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi

from sluice.components import facts, marks
from sluice.components.release import proofs, review
from sluice.core.inquiry import ASKED, KNOWN, VARIABLE

if TYPE_CHECKING:
    from sluice.components.release.data import Data
    from sluice.components.release.scope import Scope
    from sluice.core.questions import Health, Known, Mark, Preflight, Questions, Saved, Smoke
    from sluice.core.spec import Spec

# When every mark is due.
LAST = datetime.max.replace(tzinfo=UTC)


def answer(on: Scope, data: Data) -> None:
    """Write down what the gates would ask, when the program is run for that; any other run pays for one look at a variable."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        return
    from sluice.core.questions import Known

    place = Path(folder)
    found = questions(on, data, Known.model_validate_json((place / KNOWN).read_text()))
    (place / ASKED).write_text(found.model_dump_json(by_alias=True))


def questions(on: Scope, data: Data, known: Known) -> Questions:
    """Return what would be asked of a stack of which that is known."""
    from sluice.core.questions import Questions

    # What config names may not be let in yet: users, and marks, see the live one.
    live = replace(on, plan=replace(on.plan, target=on.plan.live))
    return Questions(
        release=on.plan.release,
        live=on.plan.record.id if on.plan.record else "",
        preflight=_preflight(on, data, known),
        health=_health(on, known),
        smoke=_smoke(live, known) if on.plan.record and on.args.journeys else None,
        mark=_mark(live, known) if on.plan.record and on.rollout.marks else None,
        saved=_saved(on, data, known),
        split=known.split,
    )


def _preflight(on: Scope, data: Data, known: Known) -> Preflight:
    from sluice.core.questions import Preflight

    # A settled release has been approved and staged; what it would still meet is a window, and other content.
    found = facts.standing(on.stack, on.plan) if on.plan.settled or on.plan.returning else review.gather(on)
    databases = [data.one(name, store) for name, store in known.stores.items() if name in on.args.databases]
    return Preflight(
        facts=found,
        requirements=on.args.requirements.on(on.placed),
        databases=databases,
        when=on.rollout.backup.when,
        room=data.placed(known.folder) if databases and known.folder else None,
    )


def _health(on: Scope, known: Known) -> Health:
    from sluice.core.questions import Health

    absent = [spec.name for spec in on.plan.target.values() if spec.name not in known.versions]
    checks = list(proofs.healthy(on, _running(on.plan.target, known)))
    return Health(checks=checks, absent=absent, deadline=on.rollout.deadlines.health)


def _running(specs: dict[str, Spec], known: Known) -> dict[str, Any]:
    """Return the descriptors by service, of those that run."""
    return {service: known.versions[spec.name].wire() for service, spec in specs.items() if spec.name in known.versions}


def _stores(known: Known) -> dict[str, dict[str, Any]]:
    return {name: store.of for name, store in known.stores.items()}


def _smoke(live: Scope, known: Known) -> Smoke:
    from sluice.core.questions import Smoke

    journeys, targets = [dict(one) for one in live.args.journeys], dict.fromkeys(live.plan.target, known.url)
    return Smoke(journeys=journeys, targets=targets, databases=_stores(known), deadline=live.rollout.deadlines.smoke)


def _mark(live: Scope, known: Known) -> Mark:
    from sluice.core.questions import Mark

    # As if all were due, and none passed.
    stack, running = replace(live.stack, now=LAST, marks=None), _running(live.plan.target, known)
    wants = marks.wants(stack)
    return Mark(
        names=marks.due(stack),
        versions=list(running.values()),
        checks=marks.checks(stack, live.plan, running, _stores(known), live.args.marks),
        window=wants.window,
        patience=live.rollout.patience,
        smoke=wants.smoke,
    )


def _saved(on: Scope, data: Data, known: Known) -> Saved:
    from sluice.core.questions import Saved

    return Saved(
        databases=[data.one(name, store) for name, store in known.stores.items() if name in on.args.databases],
        rules=on.rollout.backup,
        folder=known.folder,
        owner=f"{pulumi.get_project()}/{pulumi.get_stack()}",
        needed=data.needed,
    )
