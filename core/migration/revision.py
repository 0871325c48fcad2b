"""What was read of an Alembic tree: its revisions, each as a migration with the SQL that could be seen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from sluice.core.errors import ConfigError
from sluice.core.migration import kind
from sluice.core.migration.alembic import Alembic
from sluice.core.migration.file import Migration, Phase, Way, digest
from sluice.core.migration.header import PHASES, select
from sluice.core.migration.script import LOCK, STATEMENT, Script, Statement, Wrong, split
from sluice.core.value import Value

# The first line of what is kept of a revision: an older checkout has no other way to know where it stands in the tree.
HEAD = re.compile(r"-- alembic: (\S+) revises (\S+)\n")
BASE = "nothing"


class Revision(Value):
    """One revision; `revises` are the ones it needs, dependencies included."""

    migration: Migration
    revises: tuple[str, ...]

    @property
    def id(self) -> str:
        """Return the revision's id."""
        return self.migration.id


class Tree(Value):
    """Revisions in an order in which they can be applied, the table that says which are, and whether there are models to compare with."""

    revisions: tuple[Revision, ...]
    heads: tuple[str, ...]
    table: str
    schema_: str
    models: bool


def tree(spec: Alembic, found: Mapping[str, Any]) -> Tree:
    """Read what the team's Python has said of a tree; ConfigError has every problem of all revisions."""
    problems = list(_unknown(spec, {one["id"] for one in found["revisions"]}))
    revisions = []
    for one in found["revisions"]:
        try:
            revisions.append(_revision(spec, one, found["loaded"]))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return Tree(
        revisions=tuple(revisions), heads=found["heads"], table=found["table"], schema_=found["schema"] or "", models=found["models"]
    )


def _unknown(spec: Alembic, ids: set[str]) -> Iterable[str]:
    for name, asked in (("contract", spec.contract), ("lossy", spec.lossy), ("restore_only", spec.restore_only)):
        yield from (f"'{spec.folder}' has no revision '{id}', which `{name}` names" for id in asked if id not in ids)


def _revision(spec: Alembic, one: Mapping[str, Any], loaded: Mapping[str, str]) -> Revision:
    problems: list[str] = []
    phase, way, loses = _phase(spec, one, problems), _way(spec, one, problems), _loses(spec, one, problems)
    forward, unseen = _script(spec, one["up"])
    found, hidden = _script(spec, one["down"])
    back = None if hidden or way == "restore-only" else found
    if problems:
        raise ConfigError([f"{one['file']}: {why}" for why in problems])
    revises = tuple(one["revises"])
    kept = f"-- alembic: {one['id']} revises {','.join(revises) or BASE}\n{one['up']['sql']}"
    name = f"{one['id']}_{_slug(one['doc'])}".rstrip("_")
    facts: dict[str, Any] = {"id": one["id"], "name": name, "phase": phase, "way": way, "loses": loses, "unseen": unseen, "kind": "alembic"}
    facts["files"] = {**loaded, **one["print"]}
    texts: dict[str, Any] = {"up": kept, "down": one["down"]["sql"] if back else ""}
    sha256 = digest(one["source"], "")
    return Revision(migration=Migration(**facts, **texts, forward=forward, back=back, sha256=sha256), revises=revises)


def _slug(doc: str) -> str:
    return re.sub(r"\W+", "_", doc.strip().partition("\n")[0].lower())[:40].strip("_")


def _phase(spec: Alembic, one: Mapping[str, Any], problems: list[str]) -> Phase:
    said: Any = "contract" if one["id"] in spec.contract else one["phase"] or "expand"
    if said not in PHASES:
        problems.append(f"sluice_phase is '{said}', none of {', '.join(PHASES)}")
    return "contract" if said == "contract" else "expand"


def _way(spec: Alembic, one: Mapping[str, Any], problems: list[str]) -> Way:
    """Take what is said; what has no way back has none, whatever is said."""
    if one["empty"] or one["id"] in spec.restore_only:
        return "restore-only"
    said: Any = "lossy" if one["id"] in spec.lossy else one["way"] or "reversible"
    if said not in ("reversible", "lossy", "restore-only"):
        problems.append(f"sluice_way is '{said}', none of reversible, lossy, restore-only")
        return "restore-only"
    way: Way = said
    return way


def _loses(spec: Alembic, one: Mapping[str, Any], problems: list[str]) -> str:
    asked = spec.lossy.get(one["id"]) or one["loses"] or ""
    try:
        return select(asked) if asked else ""
    except ValueError as error:
        problems.append(f"what going back loses: {error}")
        return ""


def _script(spec: Alembic, rendered: Mapping[str, Any]) -> tuple[Script, str]:
    """Return the statements that could be seen, and why not all of them could."""
    limits: dict[str, Any] = {"lock_timeout": spec.lock_timeout or LOCK, "statement_timeout": spec.statement_timeout or STATEMENT}
    unseen = rendered["unseen"]
    try:
        found = split(rendered["sql"])
    except Wrong as error:
        found, unseen = [], unseen or f"what it renders is no SQL: {str(error).partition(chr(10))[0]}"
    own: list[Statement] = [one for one, node in found if not kind.transaction(node)]
    return Script(statements=tuple(own), transactional=len(own) == len(found), **limits), unseen


def refused(script: Script | None) -> list[str]:
    """Return why statements cannot be part of a revision."""
    return [why for one in (script.statements if script else ()) if (why := refusal(one.sql))]


def refusal(sql: str, *, streams: bool = False) -> str:
    """Return why a statement cannot be part of a revision; its time limits are taken back after it, so it may set them.

    `streams`: whoever sends it sends the rows of a COPY, too.
    """
    try:
        found = split(sql)
    except Wrong:
        return ""  # the server says it better
    own = [(one, node) for one, node in found if not (kind.limit(node) or (streams and kind.stream(node)))]
    return next((f"'{one.words}' {why}" for one, node in own if (why := kind.refusal(node))), "")


def makes(sql: str) -> str:
    """Return the extension that reaches other systems which a statement makes, or ""."""
    try:
        return next((name for _, node in split(sql) if (name := kind.extension(node)) in kind.REACHING), "")
    except Wrong:
        return ""


def revises(text: str) -> tuple[str, ...] | None:
    """Return what a kept revision needs; None for the text of a SQL file."""
    found = HEAD.match(text)
    if not found:
        return None
    return () if found[2] == BASE else tuple(found[2].split(","))
