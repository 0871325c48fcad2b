"""A stack's program: its settings, what it has proven, and what it tells other stacks."""

from __future__ import annotations

import gc
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
OUTPUTS = ("url", "endpoints", "live", "proven", "flags", "databases", "marks")


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What a declaration gets: `settings`, `proven` (newest first) and `marks`, both from the stack's own last outputs, and
    `required`, the proven releases of the stack that `rollout.requires` names (None: it names none)."""

    settings: Settings
    proven: Sequence[Record]
    required: Sequence[Record] | None
    now: datetime
    marks: Mapping[str, Any] | None = None


Declare = Callable[[Stack], Mapping[str, Any]]


def program(declare: Declare, *, services: set[str]) -> None:
    """Run a stack's program: read its config, ask what is live, declare, and export the contract.

    `services` are the names that config may speak of. Wrong settings end the program before anything is declared.
    """
    gc.freeze()  # as in this package: a program of hundreds of versions makes many objects, and lets none go
    now = datetime.now(UTC)
    settings = load(now, services)
    # Of both only these outputs are read: another team's secret must not make all of ours secret.
    own = pulumi.StackReference(f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}")
    requires = settings.rollout.requires
    required = pulumi.StackReference(requires.stack).get_output("proven") if requires else pulumi.Output.from_input(None)

    def declared(read: Sequence[Any]) -> Mapping[str, Any]:
        proven, marks, theirs = read
        there = None if requires is None else _records(theirs)
        return declare(Stack(settings=settings, proven=_records(proven), required=there, now=now, marks=marks))

    built = pulumi.Output.all(own.get_output("proven"), own.get_output("marks"), required).apply(declared)
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


def _records(proven: Any) -> list[Record]:
    return [Record.parse(line) for line in proven or []]
