"""Rules against statements that stop a live service; each message has the safe way. On a small table most are warnings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

from pglast import ast, enums

from sluice.core.migration.file import Phase
from sluice.core.migration.lock import AT, KINDS, SERIAL, dotted, foreign, name, volatile
from sluice.core.value import Value

Level = Literal["warning", "error"]
# A disk reads this in about a second, within the two seconds that others may wait.
LARGE = 100 * 2**20
BATCHES = "'-- backfill: batch=1000', with the rows chosen in a subquery with LIMIT :batch"
OBJECT = enums.ObjectType
TABLES = (OBJECT.OBJECT_TABLE, OBJECT.OBJECT_COLUMN, OBJECT.OBJECT_VIEW)


class Finding(Value):
    """What is wrong with a statement, and how to do it instead."""

    level: Level
    rule: str
    line: int
    text: str


class Breach(Value):
    """A rule that a statement breaks; `always` whatever the size of the table."""

    rule: str
    table: str
    text: str
    always: bool = False


def breaches(node: Any, *, phase: Phase, validated: bool, batched: bool) -> Iterator[Breach]:
    """Yield the rules that a statement breaks.

    `validated`: a constraint of this table was validated before; `batched`: the statement is a backfill.
    """
    if isinstance(node, ast.AlterTableStmt):
        for command in node.cmds or ():
            yield from _command(name(node.relation), command, phase, validated)
    elif isinstance(node, ast.IndexStmt) and not node.concurrent:
        text = "writes wait until the index is built: CREATE INDEX CONCURRENTLY IF NOT EXISTS, in a file with '-- transaction: none'"
        yield Breach(rule="index", table=name(node.relation), text=text)
    elif isinstance(node, ast.UpdateStmt | ast.DeleteStmt) and node.whereClause is None and not batched:
        text = f"changes every row in one transaction: {BATCHES}"
        yield Breach(rule="unbatched", table=name(node.relation), text=text)
    else:
        yield from _gone(node, phase)


def _command(table: str, command: Any, phase: Phase, validated: bool) -> Iterator[Breach]:
    for rule, broken, text in RULES:
        if broken(command) and not (rule == "not null" and validated):
            yield Breach(rule=rule, table=table, text=text)
    if command.subtype == AT.AT_DropColumn and phase == "expand":
        text = f"the version that runs now may still use the column '{command.name}': drop it in a file with '-- phase: contract'"
        yield Breach(rule="drop", table=table, text=text, always=True)


def _gone(node: Any, phase: Phase) -> Iterator[Breach]:
    if isinstance(node, ast.TruncateStmt) and node.behavior == enums.DropBehavior.DROP_CASCADE:
        text = "empties every table that refers to it, whatever is in there: name each table, without CASCADE"
        yield Breach(rule="truncate", table=name((node.relations or (None,))[0]), text=text, always=True)
    if isinstance(node, ast.DropStmt) and node.removeType in TABLES and phase == "expand":
        text = "the version that runs now may still use it: drop it in a file with '-- phase: contract'"
        yield Breach(rule="drop", table=dotted((node.objects or ((),))[0]), text=text, always=True)
    if isinstance(node, ast.RenameStmt) and node.renameType in TABLES:
        text = "no version runs with both names: add the new one beside it, fill it, and drop the old one in a later contract"
        yield Breach(rule="rename", table=name(node.relation), text=text, always=True)


def _check(command: Any) -> bool:
    one = command.def_
    return isinstance(one, ast.Constraint) and one.contype == KINDS.CONSTR_CHECK and not one.skip_validation


def _unique(command: Any) -> bool:
    one = command.def_
    kinds = (KINDS.CONSTR_UNIQUE, KINDS.CONSTR_PRIMARY)
    return isinstance(one, ast.Constraint) and one.contype in kinds and not one.indexname


def _key(command: Any) -> bool:
    one = foreign(command)
    return one is not None and not one.skip_validation


def _required(command: Any) -> bool:
    """A column that must have a value, and has none for the rows that are there."""
    if command.subtype != AT.AT_AddColumn:
        return False
    kinds = {one.contype for one in command.def_.constraints or ()}
    given = {KINDS.CONSTR_DEFAULT, KINDS.CONSTR_IDENTITY, KINDS.CONSTR_GENERATED}
    musts = {KINDS.CONSTR_NOTNULL, KINDS.CONSTR_PRIMARY}
    return bool(kinds & musts) and not kinds & given and dotted(command.def_.typeName.names).lower() not in SERIAL


RULES: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    (
        "not null",
        lambda command: command.subtype == AT.AT_SetNotNull,
        "reads the whole table while nobody can: ADD CONSTRAINT x CHECK (column IS NOT NULL) NOT VALID, then VALIDATE CONSTRAINT x in "
        "the next file, then SET NOT NULL, which believes it",
    ),
    (
        "required",
        _required,
        "fails as soon as there is a row, which has no value for it: add the column without NOT NULL, backfill in batches, then CHECK "
        "(column IS NOT NULL) NOT VALID, VALIDATE, and SET NOT NULL in later files",
    ),
    (
        "volatile default",
        lambda command: command.subtype == AT.AT_AddColumn and volatile(command.def_),
        "writes the whole table again while nobody can read it: add the column without default, set the default, and backfill in batches",
    ),
    (
        "type",
        lambda command: command.subtype == AT.AT_AlterColumnType,
        "writes the whole table again while nobody can read it: add a new column, fill both, and drop the old one in a later contract",
    ),
    (
        "foreign key",
        _key,
        "reads the whole table while nobody can write both: ADD CONSTRAINT x ... NOT VALID, then VALIDATE CONSTRAINT x in the next file",
    ),
    (
        "check",
        _check,
        "reads the whole table while nobody can: ADD CONSTRAINT x CHECK ... NOT VALID, then VALIDATE CONSTRAINT x in the next file",
    ),
    (
        "unique",
        _unique,
        "builds an index while nobody can read the table: CREATE UNIQUE INDEX CONCURRENTLY first, then ADD CONSTRAINT x UNIQUE USING INDEX",
    ),
)
