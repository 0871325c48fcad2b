"""What a proven release leaves: its record, word of it, and the marks at which it is looked at again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi

from sluice.components import facts, marks
from sluice.components.migration import Migration
from sluice.components.release.climb import said
from sluice.components.release.data import Data
from sluice.components.release.doors import Doors
from sluice.components.release.scope import Scope
from sluice.components.release.versions import Versions
from sluice.core.moment import Moment
from sluice.core.notice import proves
from sluice.hooks.mark import Mark
from sluice.hooks.notify import Notify
from sluice.hooks.record import Record


def record(on: Scope, doors: Doors, data: Data, after: pulumi.Resource) -> Record:
    """Write down that the release is live and proven."""
    stays = on.plan.settled or on.plan.holds
    previous = [one.text for one in (on.stack.proven if stays else marks.kept(on.stack))]
    saved = {"backups": data.saved.backups} if data.server else {}
    took = {"took": after.seconds} if isinstance(after, Migration) else {}
    props = {**on.own, **doors.later, "record": facts.record(on.stack, on.plan), "previous": previous, **saved, **took}
    return Record(f"{on.name}-record", props, on.below(after))


def notice(on: Scope, doors: Doors, after: pulumi.Resource) -> Notify:
    """Tell people so, or where the release is held."""
    proven = proves(on.plan.release, pulumi.get_stack(), on.plan.skipped)
    text = doors.held.apply(said) if on.plan.holds else proven
    return Notify(f"{on.name}-notice", {**on.own, "text": text, "fields": on.named("held" if on.plan.holds else "proven")}, on.below(after))


def due(on: Scope) -> list[str]:
    """Return the marks that are due; of what this update releases none can be."""
    return marks.due(on.stack) if on.plan.settled else []


def mark(on: Scope, doors: Doors, versions: Versions, data: Data, after: Sequence[pulumi.Resource]) -> Mark:
    """Look at a live release again, after all else: a mark that fails must keep nothing from being repaired."""
    passed, owed = marks.passed(on.stack) if on.plan.settled else {}, due(on)
    asked = _looked(on, doors, versions, data) if owed else {}
    return Mark(f"{on.name}-mark", {**on.bare, "passed": passed, "due": owed, **asked}, on.below(*after))


def _looked(on: Scope, doors: Doors, versions: Versions, data: Data) -> dict[str, Any]:
    running = versions.running(on.plan.target)

    def checks(known: Sequence[Any]) -> list[Any]:
        found, stores = known
        return [check.wire() for check in marks.checks(on.stack, on.plan, found, stores, on.args.marks)]

    wants = marks.wants(on.stack)
    return {
        **on.journal,
        "moment": Moment.MARK.value,
        "versions": running.apply(lambda found: list(found.values())),
        "checks": pulumi.Output.all(running, data.stores).apply(checks),
        "split": doors.split,
        "window": wants.window,
        "patience": on.rollout.patience,
        "back": marks.back(on.stack, pulumi.get_stack()),
        **({"smoke": _smoke(on, doors, data)} if wants.smoke else {}),
    }


def _smoke(on: Scope, doors: Doors, data: Data) -> dict[str, Any]:
    return {"journeys": on.args.journeys, "databases": data.stores, "deadline": on.rollout.deadlines.smoke, "targets": doors.urls}
