"""What preview says of migrations: each with its locks and findings, its SQL, and its way back with what that would lose."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sluice.core.database import Database
from sluice.core.migration import shown
from sluice.core.migration.explain import Explanation, explain
from sluice.core.migration.file import Migration
from sluice.core.migration.history import Kind, Plan
from sluice.systems import migrations, squawk
from sluice.systems.older import loss

WHEN = {"expand": "before the older version starts", "settle": "once the newer version is gone"}


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What migrations are explained by: bytes by table, the indexes that are there, sentences about how long files took, by key.

    `relations` are all that a statement may call a table, None when nobody knows.
    """

    sizes: Mapping[str, int] = field(default_factory=dict)
    indexes: Collection[str] = ()
    estimates: Mapping[str, str] | None = None
    relations: Collection[str] | None = None


def explained(files: Sequence[Migration], ground: Ground) -> tuple[list[Explanation], str]:
    """Explain files, squawk's findings among ours, and return the sentence why these are missing, if they are."""
    alarms, note = squawk.lint(files) if files else ({}, "")
    found = explain(files, ground.sizes, indexes=ground.indexes, alarms=alarms, estimates=ground.estimates, relations=ground.relations)
    return found, note


def told(database: Database, ways: Mapping[Kind, Plan], ground: Ground) -> list[str]:
    """Return the lines of everything that would run, in its order."""
    pending = [step.migration for way in ways.values() for step in way.steps if step.action == "up"]
    back = [(step.migration, phase) for phase, way in ways.items() for step in way.steps if step.action == "down"]
    counts = migrations.losses(database.store, [one for one, _ in back])
    # While nothing is allowed all of it is missing, and none of it is marked.
    missing = [one.id for one, _ in back if one.way == "lossy" and one.id not in database.lossy] if database.downgrade else []
    return [*forward(pending, ground), *_backward(back, ground, counts, missing)]


def forward(pending: Sequence[Migration], ground: Ground) -> Iterator[str]:
    """Yield the lines of files that are still to be applied."""
    abouts, note = explained(pending, ground)
    for one, about in zip(pending, abouts, strict=True):
        yield from about.lines
        yield from _indented(shown.up(one))
        yield from _indented(shown.back(one, _later(one)))
    if note:
        yield note


def _backward(
    back: Sequence[tuple[Migration, Kind]], ground: Ground, counts: Mapping[str, int | str], missing: Collection[str]
) -> Iterator[str]:
    turned = [shown.turned(one) for one, _ in back]
    for (one, phase), about in zip(back, explain(turned, ground.sizes, indexes=ground.indexes), strict=True):
        yield f"{one.name} goes back {WHEN[phase]}, {_cost(one, counts)}" + (", not allowed yet" if one.id in missing else "")
        yield from about.lines[1:]
        yield from _indented(shown.stored(one))


def _later(migration: Migration) -> str:
    """Say what going back will cost; the count is of the schema that the file makes, which is not there yet."""
    if migration.way != "lossy":
        return migration.way
    return "lossy: loses " + (
        "rows by its own count, which is asked once it is applied" if migration.loses else "rows that it does not count"
    )


def _cost(migration: Migration, counts: Mapping[str, int | str]) -> str:
    if migration.way != "lossy":
        return migration.way
    return f"lossy: {loss(migration, counts[migration.id])}" if migration.id in counts else "lossy"


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]
