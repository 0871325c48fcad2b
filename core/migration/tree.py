"""The way of a database to a revision of an Alembic tree: a pure machine over the tree, the revisions that are there, and the history.

What is there is what Alembic's own table says: its row changes in the revision's own transaction. The history adds what a checkout
without newer revisions would lack, and where a revision that commits by itself has been interrupted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Unpack

from sluice.core.migration import kind, refusal
from sluice.core.migration.alembic import Alembic
from sluice.core.migration.dirty import TABLE
from sluice.core.migration.file import Migration
from sluice.core.migration.history import Plan, Step, Way, Wish
from sluice.core.migration.revision import Revision, Tree, refused, revises
from sluice.core.migration.row import Row
from sluice.core.migration.script import STATEMENT, Script, Wrong, split

# A database that stands on two branches, which a later revision joins, has several.
JOIN = "+"
WAYS = ("reversible", "lossy", "restore-only")


def revision(heads: Iterable[str]) -> str:
    """Return where a database stands, in one text."""
    return JOIN.join(sorted(heads))


def basis(heads: Iterable[str], rows: Sequence[Row]) -> str:
    """Return the SHA-256 of what a plan depends on."""
    facts = sorted((row.id, row.state, row.doing) for row in rows)
    return hashlib.sha256(repr((sorted(heads), facts)).encode()).hexdigest()


class Known:
    """All revisions that are known: those of the tree, and newer ones that the history has kept."""

    def __init__(self, tree: Tree, rows: Sequence[Row]) -> None:
        self.revisions: dict[str, Revision] = {one.id: one for one in tree.revisions}
        self.kept: set[str] = set()
        for row in rows:
            if one := self.revisions.get(row.id):
                self.revisions[row.id] = one.model_copy(update={"migration": stricter(one.migration, row)})
        waiting = [row for row in rows if row.id not in self.revisions and revises(row.up) is not None]
        while ready := [row for row in waiting if all(id in self.revisions for id in revises(row.up) or ())]:
            for row in ready:
                self.revisions[row.id] = Revision(migration=stored(row, tree), revises=revises(row.up) or ())
                self.kept.add(row.id)
            waiting = [row for row in waiting if row.id not in self.revisions]

    def below(self, ids: Iterable[str]) -> set[str]:
        """Return revisions with all that they need."""
        found: set[str] = set()
        left = [id for id in ids if id in self.revisions]
        while left:
            if (id := left.pop()) not in found:
                found.add(id)
                left += self.revisions[id].revises
        return found

    def order(self, ids: Collection[str]) -> list[Migration]:
        """Return revisions in an order in which they can be applied."""
        return [one.migration for one in self.revisions.values() if one.id in ids]


def stricter(one: Migration, row: Row) -> Migration:
    """Return a migration with what its row says too: a tree may forget that it was a contract, or that its way back loses data."""
    way = max(one.way, row.way, key=WAYS.index)
    phase = "contract" if "contract" in (one.phase, row.phase) else "expand"
    return one.model_copy(update={"phase": phase, "way": way})


def stored(row: Row, tree: Tree) -> Migration:
    """Return what the history has kept of a revision: its way back in SQL, with the change of Alembic's own table."""
    parents = revises(row.up) or ()
    back = _back(row, parents, tree) if row.down and len(parents) <= 1 else None
    facts = {name: getattr(row, name) for name in ("id", "name", "phase", "way", "up", "down", "sha256")}
    return Migration(**facts, forward=Script(statements=()), back=back, loses="", kind="alembic")


def _back(row: Row, parents: Sequence[str], tree: Tree) -> Script | None:
    table = ".".join('"' + part.replace('"', '""') + '"' for part in (tree.schema_, tree.table) if part)
    moved = f"update {table} set version_num = {_text(parents[0])}" if parents else f"delete from {table}"
    try:
        found = split(f"{row.down}\n;{moved} where version_num = {_text(row.id)}")
    except Wrong:
        return None
    # Interrupted between two of its transactions it would be a question, which nobody could answer without its file.
    whole = not any(kind.transaction(node) for _, node in found)
    return Script(statements=tuple(one for one, _ in found), statement_timeout=STATEMENT) if whole else None


def barred(one: Migration) -> list[str]:
    """Return why a revision cannot run; of one that is in a database already nobody asks any more."""
    return [f"'{one.name}': {why}" for why in refused(one.forward)]


def _text(id: str) -> str:
    return "'" + id.replace("'", "''") + "'"


def plan(spec: Alembic, tree: Tree, heads: Sequence[str], rows: Sequence[Row], **wish: Unpack[Wish]) -> Plan:
    """Return the way of a database that stands at these heads over a tree."""
    return _Revisions(spec, tree, heads, rows, wish).plan()


class _Revisions(Way):
    """The revisions of a tree."""

    def __init__(self, spec: Alembic, tree: Tree, heads: Sequence[str], rows: Sequence[Row], wish: Wish) -> None:
        super().__init__(wish)
        self.spec, self.tree, self.heads = spec, tree, heads
        self.rows = {row.id: row for row in rows}
        self.known = Known(tree, rows)
        there, wanted = self.known.below(heads), self.known.below(self.target.split(JOIN))
        self.there = there
        self.pending, self.newer = self.known.order(wanted - there), self.known.order(there - wanted)[::-1]

    def before(self) -> tuple[str, str]:
        """Take it from Alembic's own table, and the rows."""
        return revision(self.heads), basis(self.heads, list(self.rows.values()))

    def back(self) -> bool:
        """Take what the target does not need."""
        return bool(self.newer)

    # What is there, against what should be.

    def compare(self) -> None:
        """Refuse a tree or a database in which it is not clear what comes next."""
        self.refusals += [*self._tree(), *self._database(), *self._doubts()]
        if self.pending and self.newer and not self.refusals:
            why = f"the database is at '{revision(self.heads)}', which is on another branch than '{self.target}'"
            self.refusals.append(f"{why}: release a revision that joins them (`alembic merge`)")
        changed = [row.name for row in self.rows.values() if row.id in self.there and self._other(row)]
        self.notes += [f"changed since applied, which Alembic allows: {', '.join(changed)}"] if changed else []

    def _tree(self) -> Iterator[str]:
        if len(self.tree.heads) > 1:
            names = " and ".join(f"'{id}'" for id in self.tree.heads)
            what = f"'{self.spec.folder}' has {len(self.tree.heads)} heads, {names}"
            yield f"{what}: join them with `alembic merge`, and release what it writes"
        for id in self.target.split(JOIN):
            if id and id not in self.known.revisions:
                yield f"revision '{id}' is neither in '{self.spec.folder}' nor in the database: check the release"

    def _database(self) -> Iterator[str]:
        for id in self.heads:
            if id not in self.known.revisions:
                why = f"the database is at revision '{id}', which is neither in '{self.spec.folder}' nor in its history"
                yield f"{why}: release from a checkout that has it"
        files = [row.name for row in self.rows.values() if revises(row.up) is None]
        if files:
            yield f"the database has migrations of SQL files ('{files[-1]}'): it cannot follow an Alembic tree too"

    def _doubts(self) -> Iterator[str]:
        """A revision that has committed a part by itself and did not come to its end is for a person to look at."""
        for row in self.rows.values():
            inside = row.id in self.there
            if row.doing and row.state in (("reverting",) if inside else ("running", "failed")):
                yield _doubt(row, inside=inside)

    def _other(self, row: Row) -> bool:
        one = self.known.revisions[row.id]
        return row.id not in self.known.kept and one.migration.sha256 != row.sha256

    # Forward, until old and new code both run.

    def expand(self) -> None:
        """Apply what old code can live with."""
        for one in self.newer:
            if self.compatible and one.phase == "expand":
                self.notes.append(refusal.stays(one, self.target))
            else:
                self.refusals.append(refusal.newer(one, self.target))
        self._marks()
        contract = next((one for one in self.pending if one.phase == "contract"), None)
        until = self.pending.index(contract) if contract else len(self.pending)
        for one in self.pending[:until]:
            self._up(one)
        late = next((one for one in self.pending[until:] if one.phase == "expand"), None)
        if contract and late:
            self.refusals.append(refusal.late(contract, late))
        else:
            self.notes += refusal.waits(self.pending[until:])

    def _marks(self) -> None:
        """Of a way back that was interrupted nothing has happened: it was one transaction."""
        rows = [row for row in self.rows.values() if row.state == "reverting" and row.id in self.there]
        here = [row for row in rows if row.id not in {one.id for one in self.newer}]
        self.steps += [Step(action="mark", migration=self.known.revisions[row.id].migration) for row in here]

    # Exactly the target.

    def settle(self) -> None:
        """Apply contracts, or go back."""
        for one in self.newer:
            self._down(one)
        self._marks()
        for one in self.pending:
            if one.phase == "expand":
                self.refusals.append(refusal.unproven(one))
            else:
                self._up(one)

    def older(self, *, exact: bool) -> None:
        """Undo contracts before the older code comes, and the expands below them, if asked for, once the newer code is gone."""
        first = next((place for place, one in enumerate(self.newer) if one.phase == "expand"), len(self.newer))
        contracts, expands = self.newer[:first], self.newer[first:]
        for one in contracts + (expands if exact else []):
            self._down(one)
        self.around(contracts, expands)

    def _up(self, one: Migration) -> None:
        self.refusals += barred(one)
        self.steps.append(Step(action="up", migration=one))

    def _down(self, one: Migration) -> None:
        if why := refusal.lost(one, one.way, self.lossy) or self._missing(one):
            self.refusals.append(why)
            return
        self.refusals += [f"the way back of '{one.name}': {why}" for why in refused(one.back)]
        self.steps.append(Step(action="down", migration=self._standing(one)))

    def _missing(self, one: Migration) -> str:
        if one.id not in self.known.kept or one.back is not None:
            return ""
        return f"'{one.name}' is not in '{self.spec.folder}', and its way back was not kept as SQL: go back from a checkout that has it"

    def _standing(self, one: Migration) -> Migration:
        """Return a migration whose kept way back leaves no row for a parent that is still below another revision."""
        parents = self.known.revisions[one.id].revises if one.id in self.known.kept else ()
        left = self.there - {step.migration.id for step in self.steps} - {one.id}
        needed = {parent for id in left for parent in self.known.revisions[id].revises}
        if not parents or not needed.issuperset(parents):
            return one
        return one.model_copy(update={"back": _back(self.rows[one.id], (), self.tree)})


def _doubt(row: Row, *, inside: bool) -> str:
    what = "way back" if inside else "way"
    said = f"; the last that it sent: {row.error}" if row.error else ""
    text = f"'{row.name}' commits by itself, and was interrupted on its {what} after statement {row.doing - 1}{said}"
    again = f"update {TABLE} set doing = 0 where id = '{row.id}'"
    stamp = f"set Alembic's own table to where it is (`alembic stamp`), and {again}"
    return f"{text}: look what of it is there and undo that, then in psql: {again}; or finish it by hand, {stamp}; then `pulumi up`"
