"""Whether somebody has read the migrations that a release brings, where config wants it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sluice.components import facts
from sluice.components.release.scope import Scope
from sluice.core.errors import ConfigError
from sluice.core.requirement import Fact

if TYPE_CHECKING:
    from sluice.core.migration.file import Migration


def gather(on: Scope) -> list[Fact]:
    """Return every fact that a release must meet: what is so of any, and what people have read of its migrations."""
    return [*facts.gather(on.stack, on.plan), *_read(on)]


def _read(on: Scope) -> list[Fact]:
    """Return what nobody has read. Without asking a database: what the live release has brought is there, or is refused elsewhere."""
    if on.plan.settled or on.plan.returning or not on.rollout.approvals.migrations:
        return []
    wanted = on.stack.settings.release.schema_
    return [fact for name, target in wanted.items() for fact in _unread(on, name, target)]


def _unread(on: Scope, name: str, target: str) -> list[Fact]:
    # The parser of SQL is heavy, and nobody else needs it here.
    from sluice.core.migration import review

    database = facts.nowhere(name, target, on.args.migrations)
    path = Path(database.alembic.folder if database.alembic else database.folder, review.FILE)
    try:
        reviews = review.read(str(path), path.read_text() if path.exists() else "")
        return [*review.unread(name, str(path), _pending(on, name, target), reviews)]
    except ConfigError as error:
        return [Fact(name="review", ok=False, why=why) for why in error.problems]


def _pending(on: Scope, name: str, target: str) -> list[Migration]:
    """Return what is new up to a revision: what the live release's does not need."""
    from sluice.systems import scheme

    files = scheme.of(facts.nowhere(name, target, on.args.migrations))
    live = on.plan.record.schema_.get(name, "") if on.plan.record else ""
    there = {one.id for one in files.until(live)} if live else set()
    return [one for one in files.until(target) if one.id not in there]
