"""What migrations would do to a live database, for a preview: locks, rewrites, and what to write instead."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pglast import ast, parse_sql

from sluice.core.migration.file import Migration
from sluice.core.migration.held import TINY, Held, Hold, bare
from sluice.core.migration.lint import Alarm
from sluice.core.migration.lock import AT, WAITING, Effect, effects, name, queried
from sluice.core.migration.rule import BATCHES, LARGE, Breach, Finding, Level, breaches
from sluice.core.migration.script import Statement
from sluice.core.settings.duration import text as span
from sluice.core.value import Value

# The rules say how a SQL file does it; a revision does it otherwise.
REVISED = (
    ("in a file with '-- phase: contract'", 'in a revision with `sluice_phase = "contract"`'),
    (", in a file with '-- transaction: none'", ", in a revision with `op.get_context().autocommit_block()`"),
    ("'-- backfill: batch=1000', with the rows chosen in a subquery with LIMIT :batch", "change them in batches, outside of migrations"),
    ("in the next file", "in the next revision"),
    ("a file of its own", "a revision of its own"),
    ("the end of the file", "the end of the revision"),
    ("write a .down.sql file beside it if there can be one", "write its downgrade() if there can be one"),
)
CODE = (ast.DoStmt, ast.CallStmt)
# What may make any table: code, and what brings its own.
UNFORESEEN = (*CODE, ast.SelectStmt, ast.CreateExtensionStmt, ast.CreateSchemaStmt, ast.ImportForeignSchemaStmt, ast.CreateForeignTableStmt)
UNITS = ("B", "kB", "MB", "GB", "TB")


class Explanation(Value):
    """One migration in lines for people, and the rules that it breaks."""

    id: str
    lines: tuple[str, ...]
    findings: tuple[Finding, ...]


def explain(
    migrations: Sequence[Migration],
    sizes: Mapping[str, int],
    *,
    indexes: Collection[str] = (),
    alarms: Mapping[str, Sequence[Alarm]] | None = None,
    estimates: Mapping[str, str] | None = None,
    relations: Collection[str] | None = None,
) -> list[Explanation]:
    """Explain pending migrations in their order; `sizes` are bytes by 'table' or 'schema.table'. Tables that they make are new: no rule.

    `indexes` are those that are there, by 'index' or 'schema.index'; `alarms` are another linter's, by migration's id;
    `estimates` are sentences about how long files took elsewhere, by migration's key: then there is a line about each;
    `relations` are all that a statement may call a table, None when nobody knows: then none is said to be missing.
    """
    seen, found = _Seen(sizes, indexes, relations), []
    for migration in migrations:
        one = _one(migration, seen, (alarms or {}).get(migration.id, ()))
        found.append(one if estimates is None else _timed(one, migration, seen, estimates))
    return found


def _timed(one: Explanation, migration: Migration, seen: _Seen, estimates: Mapping[str, str]) -> Explanation:
    """Put the estimate below the file's line."""
    said = estimates.get(migration.key) or f"none yet, {_work(migration, seen)}"
    return one.model_copy(update={"lines": (one.lines[0], f"  estimate: {said}", *one.lines[1:])})


def _work(migration: Migration, seen: _Seen) -> str:
    """Say what takes time: the tables in use that are read, written or changed as a whole."""
    nodes = [parse_sql(one.sql)[0].stmt for one in migration.forward.statements]
    done = [part for node in nodes for part in _parts(node, seen)]
    return f"it {', '.join(dict.fromkeys(done))}" if done else "it works on no table as a whole"


def _parts(node: Any, seen: _Seen) -> Iterator[str]:
    if isinstance(node, CODE):
        yield "runs code"
    for verb, table in _works(node, seen):
        yield f"{verb} {table}" + (f" ({human(size)})" if (size := seen.size(table)) else "")


def _works(node: Any, seen: _Seen) -> Iterator[tuple[str, str]]:
    """Yield what a statement does for long, and to which table in use."""
    changes = isinstance(node, ast.UpdateStmt | ast.DeleteStmt)
    for one in [] if seen.there(node) else effects(node):
        if not seen.new(one.table) and (one.rewrites or changes or (one.scans and not _believed(node, seen))):
            yield ("changes rows of" if changes else "writes all of" if one.rewrites else "reads all of"), one.table


def _believed(node: Any, seen: _Seen) -> bool:
    """Say whether a statement reads nothing, since a constraint that was validated before says the same."""
    return seen.validated(node) and all(command.subtype == AT.AT_SetNotNull for command in node.cmds)


class _Seen:
    """What the statements so far have made, and validated."""

    def __init__(self, sizes: Mapping[str, int], indexes: Collection[str], relations: Collection[str] | None) -> None:
        self._sizes = {bare(table): size for table, size in sizes.items()}
        self._indexes = {bare(index) for index in indexes}
        # Without its schema: which one is meant is known to the search path alone.
        self._known = None if relations is None else {one.rpartition(".")[2] for one in relations}
        self._made: set[str] = set()
        self._validated: set[str] = set()

    def size(self, table: str) -> int:
        return self._sizes.get(bare(table), 0)

    def new(self, table: str) -> bool:
        return bare(table) in self._made

    def missing(self, node: Any) -> str:
        """Return the table that ALTER TABLE, or CREATE INDEX, will not find, "" when it may be there."""
        if self._known is None or not isinstance(node, ast.AlterTableStmt | ast.IndexStmt) or getattr(node, "missing_ok", False):
            return ""
        table = name(node.relation)
        return "" if table.rpartition(".")[2] in self._known else table

    def there(self, node: Any) -> bool:
        """Say whether a statement finds what it would make, and does nothing."""
        if not isinstance(node, ast.IndexStmt) or not node.if_not_exists:
            return False
        # An index is in the schema of its table.
        schema, dot, _ = name(node.relation).rpartition(".")
        return bare(f"{schema}{dot}{node.idxname}") in self._indexes

    def validated(self, node: Any) -> bool:
        return isinstance(node, ast.AlterTableStmt) and bare(name(node.relation)) in self._validated

    def add(self, node: Any) -> None:
        if self._known is not None:
            self._known = None if isinstance(node, UNFORESEEN) else self._known | _makes(node)
        # What is there, and in use, is not made once more.
        if isinstance(node, ast.CreateStmt) and not (node.if_not_exists and bare(name(node.relation)) in self._sizes):
            self._made.add(bare(name(node.relation)))
        if isinstance(node, ast.CreateTableAsStmt) and node.into is not None:
            self._made.add(bare(name(node.into.rel)))
        if isinstance(node, ast.AlterTableStmt) and any(command.subtype == AT.AT_ValidateConstraint for command in node.cmds or ()):
            self._validated.add(bare(name(node.relation)))


def _makes(node: Any) -> set[str]:
    """Return the names under which there is something after a statement."""
    into = node.into.rel if isinstance(node, ast.CreateTableAsStmt) and node.into is not None else None
    made = [getattr(node, "relation", None), getattr(node, "view", None), getattr(node, "sequence", None), into]
    names = {name(one).rpartition(".")[2] for one in made if isinstance(one, ast.RangeVar)}
    return names | {one for one in (getattr(node, "newname", None), getattr(node, "idxname", None)) if one}


def _one(migration: Migration, seen: _Seen, alarms: Sequence[Alarm]) -> Explanation:
    lines, findings = [_head(migration)], list(_whole(migration))
    held = Held(transactional=migration.forward.transactional)
    for number, statement in enumerate(migration.forward.statements, 1):
        node = parse_sql(statement.sql)[0].stmt
        lines.append(f"  {number}. {statement.words}: {_said(migration, _costs(node, seen, held))}")
        findings += _missing(statement, node, seen)
        findings += [] if seen.there(node) else _findings(migration, statement, node, seen)
        findings += _waits(migration, statement, node, seen, held)
        findings += _alarms([one for one in alarms if one.statement == number - 1], node, seen)
        held.add(number, _taken(node, seen))
        seen.add(node)
    if migration.unseen:
        lines.append(f"  what else it does cannot be said without a connection ({migration.unseen})")
    lines += [f"  {one.level}, line {one.line}: {one.text}" for one in findings]
    return Explanation(id=migration.id, lines=tuple(lines), findings=tuple(findings))


def _missing(statement: Statement, node: Any, seen: _Seen) -> Iterator[Finding]:
    if table := seen.missing(node):
        text = f"'{table}': no such table, as things are now: look at its name"
        yield Finding(level="warning", rule="missing", line=statement.line, text=text)


def _taken(node: Any, seen: _Seen) -> list[Effect]:
    """Return the locks that others can meet."""
    return [] if seen.there(node) else [one for one in effects(node) if one.lock and not seen.new(one.table)]


def _waits(migration: Migration, statement: Statement, node: Any, seen: _Seen, held: Held) -> Iterator[Finding]:
    """Find work on a table of size below a lock that an earlier statement of the transaction has left."""
    works = [*_works(node, seen), *(("reads rows of", table) for table in queried(node) if not seen.new(table))]
    holds = held.beyond(_taken(node, seen))
    verb, table = max(works, key=lambda work: seen.size(work[1]), default=("", ""))
    if holds and (size := seen.size(table)) > TINY:
        hold = max(holds, key=lambda one: WAITING.index(one.blocks))
        text = f"{verb} '{table}' ({human(size)}) while {hold.lock} on {hold.table}, of statement {hold.number}, blocks {hold.blocks}"
        instead = f"give statement {hold.number} a file of its own" + (f"; rows: {BATCHES}" if verb.startswith("changes") else "")
        text = _said(migration, f"{text}, which is held until the end of the file: {instead}")
        yield Finding(level="error" if size >= LARGE else "warning", rule="held", line=statement.line, text=text)


def _head(migration: Migration) -> str:
    script = migration.forward
    fill = f"backfill of {script.backfill.batch} rows at once" if script.backfill else ""
    frame = "one transaction" if script.transactional else fill or "no transaction"
    limits = f"lock_timeout {span(script.lock_timeout)}, statement_timeout {span(script.statement_timeout)}"
    return f"{migration.name}: {migration.phase}, {migration.way}, {frame}, {limits}"


def _whole(migration: Migration) -> Iterator[Finding]:
    if migration.way == "restore-only":
        text = "there is no way back but a restore: write a .down.sql file beside it if there can be one"
        yield Finding(level="warning", rule="way back", line=1, text=_said(migration, text))


def _costs(node: Any, seen: _Seen, held: Held) -> str:
    code, taken = isinstance(node, CODE), _taken(node, seen)
    if seen.there(node):
        return "does nothing, it is there already"
    said = [_cost(one, seen.size(one.table), held.on(one.table)) for one in taken]
    said = said or ["runs code whose locks cannot be foreseen" if code else "locks nothing that is in use"]
    tables = {bare(one.table) for one in taken}
    long = code or any(_works(node, seen)) or any(queried(node))
    stay = [one for one in held.beyond(taken) if long or bare(one.table) in tables]
    said += [f"{one.lock} on {one.table} is held until the end of the file" for one in stay]
    return "; ".join(said)


def _cost(one: Effect, size: int, hold: Hold | None) -> str:
    shown = f" ({human(size)})" if size else ""
    work = ", rewrites all of it" if one.rewrites else ", reads all of it" if one.scans else ""
    blocks = max(one.blocks, hold.blocks if hold else "", key=WAITING.index)
    return f"{one.lock} on {one.table}{shown}, blocks {blocks or 'neither reads nor writes'}{work}"


def human(size: int) -> str:
    """Write bytes as people do: 1.5 GB."""
    value, unit = float(size), UNITS[0]
    for unit in UNITS:
        if value < 1024 or unit == UNITS[-1]:
            break
        value /= 1024
    return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"


def _findings(migration: Migration, statement: Statement, node: Any, seen: _Seen) -> Iterator[Finding]:
    batched = migration.forward.backfill is not None
    for breach in breaches(node, phase=migration.phase, validated=seen.validated(node), batched=batched):
        if not seen.new(breach.table):
            yield _finding(migration, breach, statement, seen.size(breach.table))


def _said(migration: Migration, text: str) -> str:
    for file, revision in REVISED if migration.kind == "alembic" else ():
        text = text.replace(file, revision)
    return text


def _finding(migration: Migration, breach: Breach, statement: Statement, size: int) -> Finding:
    serious = breach.always or size >= LARGE
    where = f"'{breach.table}'" + (f" ({human(size)})" if size else "")
    text = f"{where}: {_said(migration, breach.text)}"
    return Finding(level="error" if serious else "warning", rule=breach.rule, line=statement.line, text=text)


def _alarms(alarms: Sequence[Alarm], node: Any, seen: _Seen) -> Iterator[Finding]:
    """Judge another linter's findings as our own: what is new has no users, and what is large decides."""
    tables = [one.table for one in effects(node)]
    if tables and all(seen.new(table) for table in tables):
        return
    size = max(map(seen.size, tables), default=0)
    for one in alarms:
        level: Level = "error" if one.sized and size >= LARGE else "warning"
        yield Finding(level=level, rule=f"squawk {one.rule}", line=one.line, text=f"{one.text} (squawk, {one.rule})")
