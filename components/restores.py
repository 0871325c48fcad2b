"""The restores that a stack's config asks one release for, as people are told of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi

from sluice.core.database import Database
from sluice.core.errors import SluiceError
from sluice.core.foreseen import foresee
from sluice.core.settings.restore import Instruction
from sluice.systems import begun

if TYPE_CHECKING:
    from sluice.systems.asked import Asked

Wires = Sequence[Mapping[str, Any]]


def news(instructions: Wires, databases: Wires, folder: str) -> bool:
    """Say whether there is something to be done: a server knows which of them are done."""
    return any(_read(instructions, [Database.read(one) for one in databases], folder))


def left(databases: Collection[str], folder: str) -> bool:
    """Say whether a restore of one of these was begun and not brought to its end: nobody may be able to write to it."""
    return any(begun.noted(folder, name) for name in databases)


def explain(instructions: Wires, databases: Wires, folder: str, release: pulumi.Resource, *, moves: bool, settled: bool) -> set[str]:
    """Say in preview what goes back, when, and what that costs; what will be refused; and what was put aside earlier.

    Returns the names of the databases that go back: what else is said of them holds no more.
    """
    from sluice.systems import asked

    known = [Database.read(one) for one in databases]
    found, wrong = _read(instructions, known, folder)
    lines: list[str] = []
    try:
        lines += [line for one in found for line in asked.story(one, moves=moves, settled=settled)]
        lines += _asides(known)
        wrong += asked.refusals(found, settled=settled)
    except SluiceError as error:
        pulumi.log.warn(f"what was restored, and would be, cannot be said: {error}", release)
    if lines:
        pulumi.log.info("\n".join(lines), release)
    if wrong:
        pulumi.log.warn(foresee(wrong), release)
    return {one.database.name for one in found}


def _read(instructions: Wires, databases: Sequence[Database], folder: str) -> tuple[list[Asked], list[str]]:
    from sluice.systems import asked

    if not instructions:
        return [], []
    try:
        return asked.read([Instruction.read(one) for one in instructions], {one.name: one for one in databases}, Path(folder))
    except SluiceError as error:
        return [], [str(error)]


def _asides(databases: Sequence[Database]) -> list[str]:
    from sluice.systems import recover

    return [f"{one.name}: {aside.line}" for one in databases for aside in recover.asides(one.store)]
