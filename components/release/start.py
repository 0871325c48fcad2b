"""What comes before anything of a release is touched: permission, word of it, and traffic where it belongs."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from sluice.components import contract, facts
from sluice.components.release.data import Data
from sluice.components.release.doors import Doors
from sluice.components.release.scope import Scope
from sluice.core import notice
from sluice.core.plan import text
from sluice.core.requirement import Fact
from sluice.hooks.notify import Notify
from sluice.hooks.preflight import Preflight


def preflight(on: Scope, found: Sequence[Fact], data: Data) -> Preflight:
    """Refuse the release while anything speaks against it."""
    told = [fact.wire() for fact in found]
    props = {**on.own, "facts": told, "requirements": on.args.requirements.on(on.placed).wire(), "plan": text(on.plan)}
    if checks := contract.checks(on.stack, on.plan):
        props["checks"] = checks
    if data.server and not (on.plan.settled or on.plan.returning):
        # On the way back traffic leaves the failed version first, whatever a database has to say.
        ask = facts.asked(on.stack, on.plan).wire()
        saved = {"when": data.rules.when, "room": data.room, **({"skip": data.skip} if data.skip else {})}
        props |= {"databases": data.wanted(), "ask": ask, **saved}
    if data.server and on.instructions and not on.plan.settled:
        asked = {"instructions": on.instructions, "databases": data.each(), "folder": on.runtime.backups}
        props |= {"restore": {**on.step, **asked}}
    return Preflight(f"{on.name}-preflight", props, on.below())


def announce(on: Scope, after: pulumi.Resource) -> None:
    """Tell people that the release begins."""
    said = {"fields": on.named("begun"), "text": notice.begins(on.plan.release, pulumi.get_stack(), on.plan.skipped)}
    Notify(f"{on.name}-announcement", {**on.own, **said}, on.below(after))


def baseline(on: Scope, doors: Doors, after: pulumi.Resource) -> Preflight:
    """Take away the traffic that an earlier, unproven release may still have, before anything of this one starts."""
    props = {**on.own, **({} if on.plan.settled else {"split": doors.split}), **({"until": on.plan.until} if on.plan.holds else {})}
    return Preflight(f"{on.name}-baseline", props, on.below(after, doors.front.resource))
