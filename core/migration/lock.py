"""Which lock a statement takes on which table, and whether it rewrites or reads all of it (PostgreSQL 18 manual, 13.3 and ALTER TABLE)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from sluice.core.migration.kind import concurrent
from sluice.core.value import Value

ALL, EXCLUSIVE, ROWS, SHARE = "ACCESS EXCLUSIVE", "EXCLUSIVE", "SHARE ROW EXCLUSIVE", "SHARE"
UPDATE, WRITE, READ, NONE = "SHARE UPDATE EXCLUSIVE", "ROW EXCLUSIVE", "ACCESS SHARE", ""
BLOCKS = {ALL: "reads and writes", EXCLUSIVE: "writes", ROWS: "writes", SHARE: "writes"}
# What waits, the worse the later.
WAITING = ("", "writes", "reads and writes")
AT = enums.AlterTableType
# Subcommands of ALTER TABLE that take less than ACCESS EXCLUSIVE.
GENTLE = {
    **dict.fromkeys((AT.AT_SetStatistics, AT.AT_SetOptions, AT.AT_ResetOptions, AT.AT_ClusterOn, AT.AT_DropCluster), UPDATE),
    **dict.fromkeys((AT.AT_ValidateConstraint, AT.AT_AttachPartition, AT.AT_SetRelOptions, AT.AT_ResetRelOptions), UPDATE),
    **dict.fromkeys((AT.AT_EnableTrig, AT.AT_EnableAlwaysTrig, AT.AT_EnableReplicaTrig, AT.AT_EnableTrigAll, AT.AT_EnableTrigUser), ROWS),
    **dict.fromkeys((AT.AT_DisableTrig, AT.AT_DisableTrigAll, AT.AT_DisableTrigUser), ROWS),
}
REWRITES = (AT.AT_AlterColumnType, AT.AT_SetTableSpace, AT.AT_SetLogged, AT.AT_SetUnLogged, AT.AT_SetAccessMethod)
SCANS = (AT.AT_SetNotNull, AT.AT_ValidateConstraint)
# Stable within a transaction, so that one value fits all rows. Any other function is taken for volatile.
STABLE = (
    "now",
    "transaction_timestamp",
    "statement_timestamp",
    "current_setting",
    "to_timestamp",
    "jsonb_build_object",
    "jsonb_build_array",
)
SERIAL = ("serial", "serial4", "bigserial", "serial8", "smallserial", "serial2")
KINDS = enums.ConstrType
OBJECT = enums.ObjectType
# What DROP names as its table and then itself, and what is a table of sorts.
OWNED = (OBJECT.OBJECT_TRIGGER, OBJECT.OBJECT_POLICY, OBJECT.OBJECT_RULE)
RELATIONS = (OBJECT.OBJECT_TABLE, OBJECT.OBJECT_VIEW, OBJECT.OBJECT_MATVIEW, OBJECT.OBJECT_SEQUENCE, OBJECT.OBJECT_FOREIGN_TABLE)
QUERIES = (ast.SelectStmt, ast.CreateTableAsStmt, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)
# Levels of LOCK TABLE as the server numbers them.
LEVELS = (NONE, READ, "ROW SHARE", WRITE, UPDATE, SHARE, ROWS, EXCLUSIVE, ALL)


class Effect(Value):
    """A lock on a table: `rewrites`: all of it is written again; `scans`: all of it is read; both while the lock is held."""

    table: str
    lock: str
    rewrites: bool = False
    scans: bool = False

    @property
    def blocks(self) -> str:
        """Return what waits meanwhile: 'reads and writes', 'writes', or empty."""
        return BLOCKS.get(self.lock, "")


def name(relation: Any) -> str:
    """Write a table's name as people do."""
    return ".".join(part for part in (relation.schemaname, relation.relname) if part) if relation is not None else ""


def effects(node: Any) -> list[Effect]:
    """Return what a statement locks; none for one that only makes something new, or code that nobody can foresee."""
    if isinstance(node, ast.AlterTableStmt):
        return list(_alter(node))
    read = READERS.get(type(node))
    return [] if read is None else read(node)


def queried(node: Any) -> list[str]:
    """Return the relations that a statement reads rows of beside those that it locks for itself: of a query, or of a change by one."""
    if not isinstance(node, QUERIES):
        return []
    own = {name(getattr(node, "relation", None))}
    return [table for table in dict.fromkeys(_named(node)) if table not in own]


def _named(node: Any) -> Iterator[str]:
    if isinstance(node, ast.IntoClause):
        return
    if isinstance(node, ast.RangeVar):
        yield name(node)
    parts = node if isinstance(node, tuple) else [getattr(node, one) for one in node] if isinstance(node, ast.Node) else []
    for part in parts:
        yield from _named(part)


def _alter(node: Any) -> Iterator[Effect]:
    table = name(node.relation)
    # One statement takes the strongest lock of its parts.
    locks = [_level(command) for command in node.cmds]
    rewrites = any(rewriting(command) for command in node.cmds)
    scans = any(command.subtype in SCANS or _validates(command) for command in node.cmds)
    yield Effect(table=table, lock=max(locks, key=LEVELS.index), rewrites=rewrites, scans=scans)
    for command in node.cmds:
        if foreign(command) is not None:
            yield Effect(table=name(foreign(command).pktable), lock=ROWS)


def _level(command: Any) -> str:
    if command.subtype == AT.AT_AddConstraint and foreign(command) is not None:
        return ROWS
    if command.subtype == AT.AT_DetachPartition and command.def_.concurrent:
        return UPDATE
    return GENTLE.get(command.subtype, ALL)


def foreign(command: Any) -> Any:
    """Return the foreign key that a subcommand adds, or None."""
    one = command.def_
    return one if isinstance(one, ast.Constraint) and one.contype == KINDS.CONSTR_FOREIGN else None


def _validates(command: Any) -> bool:
    one = command.def_
    return isinstance(one, ast.Constraint) and not one.skip_validation and not one.indexname


def rewriting(command: Any) -> bool:
    """Say whether a subcommand of ALTER TABLE writes the whole table again."""
    return command.subtype in REWRITES or (command.subtype == AT.AT_AddColumn and volatile(command.def_))


def volatile(column: Any) -> bool:
    """Say whether a new column has another value in each row, so that the server cannot keep one for all."""
    kinds = {one.contype for one in column.constraints or ()}
    if kinds & {KINDS.CONSTR_IDENTITY, KINDS.CONSTR_GENERATED} or column.typeName.names[-1].sval in SERIAL:
        return True
    return any(_calls(one.raw_expr) for one in column.constraints or () if one.contype == KINDS.CONSTR_DEFAULT)


def _calls(node: Any) -> bool:
    if isinstance(node, ast.FuncCall) and dotted(node.funcname).rpartition(".")[2] not in STABLE:
        return True
    if isinstance(node, tuple):
        return any(_calls(part) for part in node)
    return isinstance(node, ast.Node) and any(_calls(getattr(node, name)) for name in node)


def _index(node: Any) -> list[Effect]:
    return [Effect(table=name(node.relation), lock=UPDATE if node.concurrent else SHARE, scans=True)]


def _drop(node: Any) -> list[Effect]:
    if node.removeType in OWNED:
        return [Effect(table=dotted(one[:-1]), lock=ALL) for one in node.objects]
    if node.removeType == OBJECT.OBJECT_INDEX:
        return [Effect(table=f"the table of {dotted(one)}", lock=UPDATE if concurrent(node) else ALL) for one in node.objects]
    return [Effect(table=dotted(one), lock=ALL) for one in node.objects] if node.removeType in RELATIONS else []


def dotted(parts: Any) -> str:
    """Write a name that DROP has as a list of words."""
    return ".".join(part.sval for part in parts)


def _made(node: Any) -> list[Effect]:
    """A new table locks only those that it refers to."""
    constraints = [one for part in node.tableElts or () for one in (getattr(part, "constraints", None) or (part,))]
    return [Effect(table=name(one.pktable), lock=ROWS) for one in constraints if getattr(one, "pktable", None) is not None]


def _vacuum(node: Any) -> list[Effect]:
    full = any(option.defname == "full" for option in node.options or ())
    tables = [name(one.relation) for one in node.rels or ()] or ["every table"]
    return [Effect(table=table, lock=ALL if full else UPDATE, rewrites=full, scans=True) for table in tables]


def _truncate(node: Any) -> list[Effect]:
    return [Effect(table=name(one), lock=ALL) for one in node.relations]


def _locked(node: Any) -> list[Effect]:
    return [Effect(table=name(one), lock=LEVELS[node.mode]) for one in node.relations]


def _rename(node: Any) -> list[Effect]:
    lock = UPDATE if node.renameType == OBJECT.OBJECT_INDEX else ALL
    return [Effect(table=name(node.relation), lock=lock)] if node.relation is not None else []


def _refresh(node: Any) -> list[Effect]:
    return [Effect(table=name(node.relation), lock=EXCLUSIVE if node.concurrent else ALL, rewrites=not node.concurrent)]


def _reindex(node: Any) -> list[Effect]:
    return [Effect(table=name(node.relation) or "every table", lock=UPDATE if concurrent(node) else SHARE, scans=True)]


def _view(node: Any) -> list[Effect]:
    return [Effect(table=name(node.view), lock=ALL)] if node.replace else []


def _cluster(node: Any) -> list[Effect]:
    return [Effect(table=name(node.relation) or "every table", lock=ALL, rewrites=True)]


def _plain(lock: str, field: str = "relation") -> Any:
    return lambda node: [Effect(table=name(getattr(node, field)), lock=lock)] if getattr(node, field) is not None else []


READERS: dict[type, Any] = {
    ast.IndexStmt: _index,
    ast.DropStmt: _drop,
    ast.CreateStmt: _made,
    ast.VacuumStmt: _vacuum,
    ast.TruncateStmt: _truncate,
    ast.LockStmt: _locked,
    ast.RenameStmt: _rename,
    ast.RefreshMatViewStmt: _refresh,
    ast.ReindexStmt: _reindex,
    ast.ViewStmt: _view,
    ast.ClusterStmt: _cluster,
    ast.CreateTrigStmt: _plain(ROWS),
    ast.RuleStmt: _plain(ALL),
    ast.CreatePolicyStmt: _plain(ALL, "table"),
    ast.AlterPolicyStmt: _plain(ALL, "table"),
    ast.AlterObjectSchemaStmt: _plain(ALL),
    ast.InsertStmt: _plain(WRITE),
    ast.UpdateStmt: _plain(WRITE),
    ast.DeleteStmt: _plain(WRITE),
}
