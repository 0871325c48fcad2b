"""What a statement is, read from PostgreSQL's own parse tree: whether it needs to stand alone, and whether it may be repeated."""

from __future__ import annotations

import re
from typing import Any

from pglast import ast, enums

# What is the server's, or names another database: a copy of this one is no place to try it.
SERVER = (
    ast.AlterSystemStmt,
    ast.CreatedbStmt,
    ast.DropdbStmt,
    ast.AlterDatabaseStmt,
    ast.AlterDatabaseSetStmt,
    ast.AlterDatabaseRefreshCollStmt,
    ast.CreateTableSpaceStmt,
    ast.DropTableSpaceStmt,
    ast.AlterTableSpaceOptionsStmt,
    ast.CreateRoleStmt,
    ast.AlterRoleStmt,
    ast.AlterRoleSetStmt,
    ast.DropRoleStmt,
    ast.GrantRoleStmt,
    ast.CreateSubscriptionStmt,
    ast.AlterSubscriptionStmt,
    ast.DropSubscriptionStmt,
    # These reach rights on, and the owner of, the database and tablespaces as well.
    ast.DropOwnedStmt,
    ast.ReassignOwnedStmt,
)
# Objects that all databases of a server share, whatever is done to them; the word for their kind is in another field of each statement.
SHARED = {enums.ObjectType[f"OBJECT_{one}"] for one in ("DATABASE", "ROLE", "TABLESPACE", "SUBSCRIPTION", "PARAMETER_ACL")}
KIND = ("objtype", "objectType", "renameType", "removeType")
# Extensions whose functions, or whose foreign tables, open connections.
REACHING = ("dblink", "http", "pg_net", "plproxy", "postgres_fdw")
# Settings that the header has: set in the file they would outlive the retry, or come too late.
LIMITS = ("lock_timeout", "statement_timeout", "transaction_timeout")
# A block whose text has none of these words ends no transaction, in any language, so it can be in one.
ENDS = re.compile(r"commit|rollback|call", re.IGNORECASE)
# What has the same end however often it runs.
AGAIN = (ast.CommentStmt, ast.GrantStmt, ast.RefreshMatViewStmt, ast.ReindexStmt, ast.SelectStmt, ast.VariableSetStmt)
WRITES = (ast.UpdateStmt, ast.DeleteStmt, ast.InsertStmt)


def concurrent(node: Any) -> bool:
    """Say whether a statement has CONCURRENTLY, as CREATE INDEX, DROP INDEX, REINDEX and DETACH PARTITION may."""
    if isinstance(node, ast.ReindexStmt):
        return any(param.defname == "concurrently" for param in node.params or ())
    if isinstance(node, ast.AlterTableStmt):
        return any(isinstance(command.def_, ast.PartitionCmd) and command.def_.concurrent for command in node.cmds or ())
    # REFRESH MATERIALIZED VIEW CONCURRENTLY is fine in a transaction.
    return isinstance(node, ast.IndexStmt | ast.DropStmt) and bool(node.concurrent)


def alone(node: Any) -> bool:
    """Say whether the server refuses a statement inside a transaction block."""
    if isinstance(node, ast.VacuumStmt):
        return bool(node.is_vacuumcmd)  # ANALYZE is one too
    whole = isinstance(node, ast.ReindexStmt) and node.kind != enums.ReindexObjectType.REINDEX_OBJECT_INDEX and node.relation is None
    return whole or concurrent(node) or isinstance(node, ast.VacuumStmt)


def commits(node: Any) -> bool:
    """Say whether a statement may commit by itself: outside a transaction DO and CALL can, so nothing else may go with them."""
    return isinstance(node, ast.CallStmt) or (isinstance(node, ast.DoStmt) and bool(ENDS.search(_body(node))))


def _body(node: Any) -> str:
    return " ".join(one.arg.sval for one in node.args if one.defname == "as")


def setting(node: Any) -> bool:
    """Say whether a statement is a SET, or calls `set_config` and nothing else: that lasts as long as its session."""
    return isinstance(node, ast.VariableSetStmt) or bool(_configured(node))


def _configured(node: Any) -> list[str]:
    """Return what `select set_config(...)` sets, "" for what is computed; nothing when it selects anything else."""
    if not isinstance(node, ast.SelectStmt) or node.fromClause or not node.targetList:
        return []
    calls = [one.val for one in node.targetList]
    if not all(isinstance(call, ast.FuncCall) and [part.sval for part in call.funcname or ()][-1:] == ["set_config"] for call in calls):
        return []
    return [_text(next(iter(call.args or ()), None)) for call in calls]


def repeatable(node: Any) -> bool:
    """Say whether a statement that may have happened can safely be sent again."""
    if isinstance(node, ast.IndexStmt | ast.CreateStmt | ast.CreateSchemaStmt | ast.CreateExtensionStmt | ast.CreateSeqStmt):
        return bool(node.if_not_exists)
    if isinstance(node, ast.DropStmt | ast.DropdbStmt):
        return bool(node.missing_ok)
    return isinstance(node, (*AGAIN, ast.VacuumStmt))


def transaction(node: Any) -> bool:
    """Say whether a statement opens or ends a transaction."""
    return isinstance(node, ast.TransactionStmt)


def limit(node: Any) -> str:
    """Return which of the session's time limits a statement sets, "" when none."""
    names = [str(node.name)] if isinstance(node, ast.VariableSetStmt) else _configured(node)
    return next((name for name in names if name in LIMITS), "")


def _text(node: Any) -> str:
    """Return a literal's text; what is computed has none."""
    return str(node.val.sval) if isinstance(node, ast.A_Const) and isinstance(node.val, ast.String) else ""


def stream(node: Any) -> bool:
    """Say whether a statement copies rows from or to its client."""
    return isinstance(node, ast.CopyStmt) and node.filename is None


def refusal(node: Any) -> str:
    """Return why a statement cannot be part of a migration; empty when it can."""
    if transaction(node):
        return "opens or ends a transaction: each file has its own, so take this out"
    if stream(node):
        return "copies from or to the client, which sends no rows: write INSERT, or load the rows in a script of your own"
    if name := limit(node):
        return f"sets {name}: write '-- {name}: 2s' at the top instead, which also holds for retries"
    if isinstance(node, ast.DiscardStmt) or (isinstance(node, ast.VariableSetStmt) and node.kind == enums.VariableSetKind.VAR_RESET_ALL):
        return "resets the session, and its time limits with it: take this out"
    if isinstance(node, SERVER) or _shared(node) or (isinstance(node, ast.CopyStmt) and node.is_program):
        return "changes the server, not this database, so a rehearsal on a copy would do it for real: run it by hand, before the release"
    if isinstance(node, ast.ImportForeignSchemaStmt):
        return "asks another server what there is, which a rehearsal must not: write the CREATE FOREIGN TABLE out"
    if isinstance(node, ast.CreateFdwStmt | ast.AlterFdwStmt) or _drops(node):
        return "makes or drops what reaches other systems, and a rehearsal could not hold it back: run it by hand, before the release"
    return ""


def _shared(node: Any) -> bool:
    """Say whether a statement is about an object that is not in a database: its name, owner, rights, comment or label."""
    return any(getattr(node, name, None) in SHARED for name in KIND)


def _drops(node: Any) -> bool:
    """Say whether an extension that reaches other systems goes: made again, it would be one that nobody has blocked."""
    if not isinstance(node, ast.DropStmt) or node.removeType != enums.ObjectType.OBJECT_EXTENSION:
        return False
    return any(name.sval in REACHING for name in node.objects or ())


def extension(node: Any) -> str:
    """Return the extension that a statement makes, or ""."""
    return str(node.extname) if isinstance(node, ast.CreateExtensionStmt) else ""


def index(node: Any) -> tuple[str, str]:
    """Return the table and the index of a CREATE INDEX CONCURRENTLY with a name, as the server would quote them; else two empty texts."""
    if isinstance(node, ast.IndexStmt) and node.concurrent and node.idxname:
        return table(node.relation), node.idxname
    return "", ""


def table(relation: Any) -> str:
    """Write a table's name with its schema, if it has one, with quotes."""
    parts = [part for part in (relation.schemaname, relation.relname) if part]
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def limited(node: Any) -> bool:
    """Say whether a LIMIT is anywhere in a statement, subqueries and WITH included."""
    if isinstance(node, ast.SelectStmt) and node.limitCount is not None:
        return True
    if isinstance(node, tuple):
        return any(limited(part) for part in node)
    return isinstance(node, ast.Node) and any(limited(getattr(node, name)) for name in node)
