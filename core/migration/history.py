"""The history of a database's migrations, and what may be done next: a pure machine over files and rows.

    up:    absent -> running -> applied          a failed one is `failed`, and goes on from there
    down:  applied -> reverting -> absent

`running` without a runner is a crash. What it means follows from the script: a transaction left nothing; outside of one, each
statement that allows it commits together with the count in its row, so that only the others leave a doubt (`core/migration/dirty.py`).
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from itertools import takewhile
from typing import Literal, Required, TypedDict, Unpack

from sluice.core.database import Downgrade
from sluice.core.migration import dirty, refusal
from sluice.core.migration.file import DOWN, UP, Migration, ranked
from sluice.core.migration.row import Row
from sluice.core.rank import rank
from sluice.core.value import Value

Kind = Literal["expand", "settle"]
PHASES: tuple[Kind, Kind] = ("expand", "settle")


class Step(Value):
    """One file to run; `start` statements of it have been done. `mark` only says again that it is applied; `clear` forgets a row."""

    action: Literal["up", "down", "mark", "clear"]
    migration: Migration
    start: int = 0


class Plan(Value):
    """What would run, in order; nothing runs while there are `refusals`; `notes` are for people."""

    steps: tuple[Step, ...] = ()
    refusals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    before: str = ""
    target: str = ""
    # What the history was: a run refuses to follow a plan for another one.
    basis: str = ""

    @property
    def contents(self) -> tuple[str, ...]:
        """Return what each step does and with which text, as a rehearsal remembers it."""
        return tuple(f"{step.action} {step.migration.name} {step.migration.sha256}{_beside(step)}" for step in self.steps)


def _beside(step: Step) -> str:
    # Without their names: another machine has its checkout elsewhere.
    files = sorted(step.migration.files.values())
    return f" {hashlib.sha256(repr(files).encode()).hexdigest()}" if files else ""


def revision(rows: Sequence[Row]) -> str:
    """Return the last applied id; empty when there is none."""
    return max((row.id for row in rows if dirty.stands(row)), key=rank, default="")


def basis(rows: Sequence[Row]) -> str:
    """Return the SHA-256 of what a plan depends on."""
    facts = sorted((row.id, row.name, row.sha256, row.state, row.done, row.doing) for row in rows)
    return hashlib.sha256(repr(facts).encode()).hexdigest()


class Wish(TypedDict, total=False):
    """What is asked of a plan: the way to a revision; the empty target is the database before its first migration.

    `expand` only goes forward and leaves contracts for `settle`, which makes the database exactly the target, backwards too.
    `compatible`: the target's record says that it runs on a newer database; `lossy`: ids whose way back may lose data; `downgrade`:
    older code is coming, and what goes back does so around it: contracts in `expand`, expands in `settle`.
    """

    target: Required[str]
    phase: Required[Kind]
    compatible: bool
    lossy: Collection[str]
    downgrade: Downgrade | None


def plan(files: Sequence[Migration], rows: Sequence[Row], **wish: Unpack[Wish]) -> Plan:
    """Return the way of a database with these rows over SQL files."""
    return _Files(files, rows, wish).plan()


class Way(ABC):
    """A plan in the making: what is the same for SQL files and an Alembic tree."""

    def __init__(self, wish: Wish) -> None:
        self.wish, self.target, self.phase = wish, wish["target"], wish["phase"]
        self.compatible, self.lossy = wish.get("compatible", False), wish.get("lossy", ())
        self.steps: list[Step] = []
        self.refusals: list[str] = []
        self.notes: list[str] = []

    @abstractmethod
    def before(self) -> tuple[str, str]:
        """Return where the database stands, and the digest of what a plan depends on."""

    @abstractmethod
    def back(self) -> bool:
        """Say whether the database has anything beyond the target."""

    @abstractmethod
    def compare(self) -> None:
        """Refuse a database of which it is not clear what comes next."""

    @abstractmethod
    def expand(self) -> None:
        """Go forward until old and new code both run."""

    @abstractmethod
    def settle(self) -> None:
        """Make it exactly the target."""

    @abstractmethod
    def older(self, *, exact: bool) -> None:
        """Go back around older code: to undo a contract is to expand, and to undo an expand is to contract."""

    def plan(self) -> Plan:
        """Find the way."""
        self.compare()
        if not self.refusals:
            self._go(self.wish.get("downgrade"))
        before, basis = self.before()
        steps, refusals, notes = tuple(self.steps), tuple(self.refusals), tuple(self.notes)
        return Plan(steps=steps, refusals=refusals, notes=notes, before=before, target=self.target, basis=basis)

    def _go(self, downgrade: Downgrade | None) -> None:
        if downgrade and self.back():
            self.older(exact=downgrade == "exact")
        elif self.phase == "expand":
            self.expand()
        else:
            self.settle()

    def around(self, contracts: Sequence[Row | Migration], expands: Sequence[Row | Migration]) -> None:
        """Keep the steps of this phase; both are refused for what either could not do: the second one comes too late to find out."""
        self.refusals += [] if self.refusals else refusal.buried(expands, self.target)
        self.refusals += refusal.early(contracts) if self.phase == "settle" else []
        mine = {one.id for one in (contracts if self.phase == "expand" else expands)}
        self.steps = [step for step in self.steps if step.migration.id in mine]


def _where(row: Row, file: Migration) -> str:
    """Say which of a migration's two files has changed."""
    pairs = ((UP, row.up, file.up), (DOWN, row.down, file.down))
    changed = [f"'{row.name}{end}'" for end, applied, now in pairs if applied != now]
    return f", in {' and '.join(changed)}" if changed else ""


class _Files(Way):
    """SQL files."""

    def __init__(self, files: Sequence[Migration], rows: Sequence[Row], wish: Wish) -> None:
        super().__init__(wish)
        self.files = sorted(files, key=ranked)
        self.rows = sorted(rows, key=lambda row: rank(row.id))
        self.by_id: Mapping[str, Migration] = {one.id: one for one in self.files}

    def before(self) -> tuple[str, str]:
        """Take it from the rows alone."""
        return revision(self.rows), basis(self.rows)

    def back(self) -> bool:
        """Take rows with a higher number."""
        return bool(self._ahead())

    # What is there, against what should be.

    def compare(self) -> None:
        """Refuse a history that is not the one of these files."""
        if self.target and self.target not in self.by_id and self.target not in {row.id for row in self.rows}:
            known = ", ".join(self.by_id) or "none"
            self.refusals.append(f"revision '{self.target}' is neither a file nor in the database (files: {known}): check the release")
        for row in self.rows:
            self._row(row)
        for one in self._pending():
            self._order(one)

    def _row(self, row: Row) -> None:
        file = self.by_id.get(row.id)
        if file is None:
            if dirty.begun(row) and not self._beyond(row.id):
                has = f"the database has '{row.name}'" if dirty.stands(row) else dirty.half(row)
                why = f"{has}, which is no file here and not newer than '{self.target}'"
                self.refusals.append(f"{why}: bring the file back, or release from a checkout that has it")
        elif dirty.stands(row):
            self._same(row, file)

    def _same(self, row: Row, file: Migration) -> None:
        if file.name != row.name:
            self.refusals.append(f"'{row.name}' was applied, and its file is named '{file.name}' now: name it as it was")
        if file.sha256 != row.sha256:
            what = (
                f"'{row.name}' has changed since it was applied{_where(row, file)} (SHA-256 {file.sha256[:12]}, applied {row.sha256[:12]})"
            )
            self.refusals.append(f"{what}: restore the file, and put the change into a new one")

    def _order(self, one: Migration) -> None:
        later = [row for row in self.rows if dirty.begun(row) and rank(row.id) > ranked(one)]
        if later and not self._beyond(one.id):
            is_there = "is applied" if dirty.stands(later[0]) else "is half applied"
            why = f"'{one.name}' is pending, but '{later[0].name}' after it {is_there}"
            self.refusals.append(f"{why}: give it a number above '{later[-1].id}'")

    def _beyond(self, id: str) -> bool:
        return rank(id) > rank(self.target)

    def _pending(self) -> list[Migration]:
        standing = {row.id for row in self.rows if dirty.stands(row)}
        return [one for one in self.files if one.id not in standing]

    def _ahead(self) -> list[Row]:
        """Return rows of migrations after the target, the last one first."""
        return [row for row in reversed(self.rows) if self._beyond(row.id)]

    # Forward, until old and new code both run.

    def expand(self) -> None:
        """Apply expand files up to the target."""
        for row in self._ahead():
            self._tolerate(row)
        for row in self.rows:
            if row.state == "reverting" and not self._beyond(row.id):
                self._keep(row)
        waiting: list[Migration] = []
        for one in self._wanted():
            if one.phase == "contract":
                waiting.append(one)
            elif waiting:
                self.refusals.append(refusal.late(waiting[0], one))
                break
            else:
                self._up(one)
        self.notes += refusal.waits(waiting)

    def _wanted(self) -> list[Migration]:
        return [one for one in self._pending() if not self._beyond(one.id)]

    def _tolerate(self, row: Row) -> None:
        if not dirty.begun(row):
            return
        if self.compatible and (row.phase == "expand" or dirty.stands(row)):
            self.notes.append(refusal.stays(row, self.target))
        elif dirty.stands(row):
            self.refusals.append(refusal.newer(row, self.target))
        else:
            self.refusals.append(f"{dirty.half(row)}, and newer than '{self.target}': release a revision from '{row.id}' on, to finish it")

    def _up(self, one: Migration) -> None:
        row = next((row for row in self.rows if row.id == one.id), None)
        start, why = dirty.resume(row, one) if row else (0, "")
        if why:
            self.refusals.append(why)
        else:
            self.steps.append(Step(action="up", migration=one, start=start))
            self.notes += [dirty.onward(row, start)] if row else []

    def _keep(self, row: Row) -> None:
        if dirty.untouched(row):
            self.steps.append(Step(action="mark", migration=row.migration))
            self.notes.append(f"going back from '{row.name}' did not get anywhere: it is applied as before")
        else:
            text = f"{dirty.half(row)}: finish going back first: release a revision before '{row.id}' again, which goes on from there"
            self.refusals.append(text)

    # Exactly the target.

    def settle(self) -> None:
        """Apply contract files, or go back."""
        for row in self._ahead():
            self._down(row)
        for row in self.rows:
            if row.state == "reverting" and not self._beyond(row.id):
                self._keep(row)
        for one in self._wanted():
            if one.phase == "expand" and not self._contracts(one):
                self.refusals.append(refusal.unproven(one))
            else:
                self._up(one)

    def _contracts(self, one: Migration) -> bool:
        return any(row.id == one.id and row.phase == "contract" and dirty.begun(row) for row in self.rows)

    # Back, around older code.

    def older(self, *, exact: bool) -> None:
        """Undo contracts before the older code comes, and the expands below them, if asked for, once the newer code is gone."""
        begun = [row for row in self._ahead() if dirty.begun(row)]
        contracts = list(takewhile(lambda row: row.phase == "contract", begun))
        expands = begun[len(contracts) :]
        for row in contracts + (expands if exact else [row for row in expands if not dirty.stands(row)]):
            self._down(row)
        self.around(contracts, expands)

    def _down(self, row: Row) -> None:
        if not dirty.begun(row):
            self.steps.append(Step(action="clear", migration=row.migration))
            return
        if row.state in ("running", "failed"):
            self.refusals.append(f"{dirty.half(row)}, so there is no way back from it: release a revision from '{row.id}' on, to finish it")
            return
        if text := refusal.lost(row, row.migration.way, self.lossy):
            self.refusals.append(text)
            return
        start, why = dirty.back(row)
        if why:
            self.refusals.append(why)
        else:
            self.steps.append(Step(action="down", migration=row.migration, start=start))
            self.notes += [dirty.onward(row, start)] if row.state == "reverting" else []
