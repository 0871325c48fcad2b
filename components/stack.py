"""A stack's program: its settings, what it has proven, and what it tells other stacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

import pulumi

from sluice.core.errors import ConfigError
from sluice.core.record import Record
from sluice.core.settings import Settings, parse_text

# What other stacks may rely on; a change of meaning raises it. docs/outputs.md says what each output holds.
CONTRACT = 1
OUTPUTS = ("url", "endpoints", "live", "proven", "flags", "databases")


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What a declaration gets: `settings`, `proven` (newest first, from the stack's own last outputs), and `required`, the
    proven releases of the stack that `rollout.requires` names (None: it names none)."""

    settings: Settings
    proven: Sequence[Record]
    required: Sequence[Record] | None
    now: datetime


Declare = Callable[[Stack], Mapping[str, Any]]


def program(declare: Declare, *, services: set[str]) -> None:
    """Run a stack's program: read its config, ask what is live, declare, and export the contract.

    `services` are the names that config may speak of. Wrong settings end the program before anything is declared.
    """
    now = datetime.now(UTC)
    settings = load(now, services)
    own = _proven(f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}")
    requires = settings.rollout.requires
    required = _proven(requires.stack) if requires else pulumi.Output.from_input(None)

    def declared(both: Sequence[Any]) -> Mapping[str, Any]:
        proven, theirs = both
        there = None if requires is None else _records(theirs)
        return declare(Stack(settings=settings, proven=_records(proven), required=there, now=now))

    built = pulumi.Output.all(own, required).apply(declared)
    pulumi.export("contract", CONTRACT)
    for name in OUTPUTS:
        pulumi.export(name, built.apply(itemgetter(name)))


def load(now: datetime, services: set[str]) -> Settings:
    """Return the stack's settings; all problems at once, as one error without a traceback."""
    config = pulumi.Config("sluice")
    try:
        return parse_text(config.get("release"), config.get("rollout"), now=now, declared=services)
    except ConfigError as error:
        raise pulumi.RunError(str(error)) from None


def _proven(stack: str) -> pulumi.Output[Any]:
    """Return a stack's proven releases. Only that one output is read: another team's secret must not make all of ours secret."""
    return pulumi.StackReference(stack).get_output("proven")


def _records(proven: Any) -> list[Record]:
    return [Record.parse(line) for line in proven or []]
