"""A release: everything that changes together, from preflight to record. The constructor reads as the runbook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from sluice.components import contract, marks
from sluice.components.base import Component
from sluice.components.flag import Flag
from sluice.components.release import asked, ledger, proofs, review, start, story
from sluice.components.release.args import ReleaseArgs
from sluice.components.release.climb import climb
from sluice.components.release.data import Data
from sluice.components.release.doors import Doors
from sluice.components.release.planned import planned
from sluice.components.release.scope import Scope
from sluice.components.release.versions import Versions
from sluice.components.stack import Stack
from sluice.hooks.mark import Mark
from sluice.hooks.record import Record
from sluice.runtimes import port


class Release(Component):
    """Takes a stack from the live release to the configured one, or leaves the live one serving.

    Children, in order: preflight, announcement, baseline, restore (before), backup, expand, the versions and their guards, health, smoke,
    canary, restore (after), front (smoke through the door), settle, record, notice, mark. `outputs` is the contract with other stacks.
    """

    def __init__(
        self, name: str, args: ReleaseArgs, *, stack: Stack, runtime: port.Runtime, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, {"release": stack.settings.release.id}, opts)
        self.plan = planned(args, stack, runtime)
        on = Scope(owner=self, name=name, args=args, stack=stack, runtime=runtime, plan=self.plan)
        data, found = Data(on), review.gather(on)
        asked.answer(on, data)
        story.say(on, found, ledger.due(on))
        # A refused release must not keep what has died from being started again; and preflight asks the databases that there are.
        if not self.plan.first:
            data.open()
        preflight = start.preflight(on, found, data)
        if self.plan.first:
            runtime.after(preflight)
            data.open()
        start.announce(on, preflight)
        doors = Doors(on)
        story.explain(on, data)
        ready = start.baseline(on, doors, preflight)
        back = data.undo(ready)
        saved = data.backup(back)
        grown = data.expand(saved)
        versions = Versions(on, doors, data, grown)
        flags = _flags(on)
        well = proofs.well(on, versions)
        tried = proofs.smoke(on, versions, data, well)
        moved = climb(on, doors, versions, data, tried)
        doors.held = moved.held
        mended = data.mend(moved, proofs.again(on, versions, data), doors.rests)
        through = proofs.front(on, doors, data, mended)
        settled = data.settle(through, doors.later)
        record = ledger.record(on, doors, data, settled)
        told = ledger.notice(on, doors, record)
        mark = ledger.mark(on, doors, versions, data, [told, *flags])
        self.outputs = _outputs(on, doors, data, record, mark)
        self.register_outputs(self.outputs)


def _flags(on: Scope) -> list[pulumi.Resource]:
    return [
        Flag(f"{on.name}-flag-{name}", file=on.runtime.flags, flag_name=name, on=value, opts=on.below())
        for name, value in on.stack.settings.release.flags.items()
    ]


def _outputs(on: Scope, doors: Doors, data: Data, record: Record, mark: Mark) -> dict[str, Any]:
    return {
        **contract.outputs(contract.told(on.stack, on.plan, on.terms), doors.front.url, record.live),
        "url": doors.front.url,
        "live": record.live,
        "proven": record.proven,
        "flags": on.runtime.flags,
        "journal": on.runtime.journal,
        "databases": data.outputs,
        "held": {} if on.plan.settled else doors.held,
        "marks": pulumi.Output.all(record.live, mark.passed, mark.verdicts).apply(lambda known: _marks(on, *known)),
    }


def _marks(on: Scope, live: Mapping[str, Any], passed: Mapping[str, str], seen: Sequence[str]) -> dict[str, Any]:
    """Return where the live release stands; another one that is only held has taken nothing away from it."""
    if on.plan.holds:
        passed, seen = marks.passed(on.stack), (on.stack.marks or {}).get("seen", [])
    return marks.shown(on.stack, live, passed, seen)
