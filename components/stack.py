"""A stack's program: its settings, what it has proven, and what it tells other stacks."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

import pulumi

from sluice.core import producer
from sluice.core.contract import FIRST, NAMES, Terms
from sluice.core.errors import ConfigError, Unreachable
from sluice.core.producer import Producer, Told
from sluice.core.record import Record
from sluice.core.settings import Place, Settings, parse_place, parse_text
from sluice.runtimes.port import Runtime

# What is read of the stack's own last outputs.
OWN = ("proven", "marks", "terms")


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What a declaration gets: `settings`, `proven` (newest first), `marks` and `promised`, which are from the stack's own last outputs,
    and `required`, the proven releases of the stack that `rollout.requires` names (None: it names none).

    `contract` and `deprecated` are what it promises now; `producers` the other stacks that it reads, by the program's own names; `place` is
    where it runs.
    """

    settings: Settings
    proven: Sequence[Record]
    required: Sequence[Record] | None
    now: datetime
    marks: Mapping[str, Any] | None = None
    promised: Terms | None = None
    contract: int = FIRST
    deprecated: Mapping[str, str] = field(default_factory=dict)
    producers: Mapping[str, Told] = field(default_factory=dict)
    place: Place = field(default_factory=Place)

    def runtime(self) -> Runtime:
        """Return the runtime that `sluice:runtime` names; for one that is made in another way, make it yourself."""
        from sluice.runtimes.chosen import chosen

        return chosen(self.place)


Declare = Callable[[Stack], Mapping[str, Any]]


def program(
    declare: Declare,
    *,
    services: set[str],
    contract: int = FIRST,
    deprecated: Mapping[str, str] | None = None,
    producers: Mapping[str, Producer] | None = None,
) -> None:
    """Run a stack's program: read its config, ask what is live, declare, and export the contract.

    `services` are the names that config may speak of. `contract` is the number of what other stacks may rely on, `deprecated` what of it
    will go, with what to use instead (core.contract); `producers` are the stacks that this one relies on, by a name of your own.
    Wrong settings end the program before anything is declared.
    """
    gc.freeze()  # as in this package: a program of hundreds of versions makes many objects, and lets none go
    now = datetime.now(UTC)
    settings, place = load(now, services)
    needed, requires = producers or {}, settings.rollout.requires
    others = [*(one.stack for one in needed.values()), *([requires.stack] if requires else [])]

    def declared(read: Mapping[str, Any]) -> Mapping[str, Any]:
        own, theirs = read["own"], read["others"]
        promised = Terms.told(own["terms"])
        known: dict[str, Any] = {"place": place, "proven": _records(own["proven"]), "marks": own["marks"], "promised": promised}
        required = _records(theirs[requires.stack]["proven"]) if requires else None
        promise: dict[str, Any] = {"contract": contract, "deprecated": deprecated or {}}
        try:
            told = {name: producer.read(name, one, theirs[one.stack]) for name, one in needed.items()}
            return declare(Stack(settings=settings, now=now, required=required, producers=told, **known, **promise))
        except ConfigError as error:
            raise pulumi.RunError(str(error)) from None

    built = _read(others).apply(declared)
    for name in NAMES:
        pulumi.export(name, built.apply(itemgetter(name)))


def _read(others: Iterable[str]) -> pulumi.Output[dict[str, Any]]:
    """Ask this stack and others. Only these outputs are read: another team's secret must not make all of ours secret."""
    own = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    theirs = {stack: _outputs(stack, NAMES) for stack in dict.fromkeys(others)}
    return pulumi.Output.all(own=_outputs(own, OWN), others=pulumi.Output.all(**theirs))


def _outputs(stack: str, names: Sequence[str]) -> pulumi.Output[dict[str, Any]]:
    read = pulumi.StackReference(stack)
    return pulumi.Output.all(**{name: read.get_output(name) for name in names})


def load(now: datetime, services: set[str]) -> tuple[Settings, Place]:
    """Return the stack's settings, and where it runs; all problems at once, as one error without a traceback."""
    config, problems = pulumi.Config("sluice"), []
    place = Place()
    try:
        place = parse_place(config.get("runtime"))
    except ConfigError as error:
        problems = error.problems
    try:
        settings = parse_text(config.get("release"), config.get("rollout"), now=now, declared=services)
    except ConfigError as error:
        raise pulumi.RunError("\n".join([*error.problems, *problems])) from None
    if problems:
        raise pulumi.RunError("\n".join(problems))
    return settings, place


def _records(proven: Any) -> list[Record]:
    try:
        return [Record.parse(line) for line in proven or []]
    except Unreachable as error:
        raise pulumi.RunError(str(error)) from None
