"""What a row means that a crash or a failure has left: what is certain, and where to go on."""

from __future__ import annotations

from sluice.core.migration.file import Migration
from sluice.core.migration.row import Row
from sluice.core.migration.script import Script, Statement

TABLE = "sluice_history.migration"


def stands(row: Row) -> bool:
    """Say whether a migration is applied as a whole, or was until somebody began to go back."""
    return row.state in ("applied", "reverting")


def begun(row: Row) -> bool:
    """Say whether anything of a migration may be in the database: a transaction that did not end leaves nothing."""
    return stands(row) or (row.doing > 0 if row.alembic else _marked(row, row.migration.forward))


def untouched(row: Row) -> bool:
    """Say whether nothing of a way back has happened."""
    return row.doing == 0 if row.alembic else not _marked(row, _back(row))


def _marked(row: Row, script: Script) -> bool:
    """Say whether a script may have left something; an attempt outside a transaction does even when it fails, as an invalid index."""
    if script.transactional:
        return False
    first = script.statements[0]
    return row.done > 0 or bool(script.backfill) or first.alone or first.commits


def broken(row: Row) -> bool:
    """Say whether a part of a migration may be in the database, and another part not."""
    if row.state == "reverting":
        return not untouched(row)
    return row.state != "applied" and begun(row)


def half(row: Row) -> str:
    """Say how far a migration or its way back has come."""
    verb = "half reverted" if row.state == "reverting" else "half applied"
    return f"'{row.name}' is {verb} ({row.done} of {row.total} statements)"


def onward(row: Row, start: int) -> str:
    """Say what an earlier attempt has left, and where this one goes on."""
    script = _back(row) if row.state == "reverting" else row.migration.forward
    if script.backfill and not row.done:
        return f"'{row.name}' may be filled in part: goes on with the rows that are left"
    if not _marked(row, script):
        return f"an earlier attempt at '{row.name}' has left nothing: from its start"
    if start == row.total:
        return f"{half(row)}: goes on behind them"
    sent = ", which was sent and may have happened, and may be sent again" if _sent(row, script) else ""
    return f"{half(row)}: goes on with statement {start + 1}{sent}"


def left(row: Row) -> Statement | None:
    """Return the statement that may have left an invalid index, as it was sent: after a failure the file may name another one."""
    if row.alembic or row.state not in ("running", "failed"):
        return None
    return next((one for one in row.migration.forward.statements[row.done : row.done + 1] if one.index), None)


def resume(row: Row, file: Migration) -> tuple[int, str]:
    """Return how many statements of a file to skip, or why that cannot be known."""
    stored = row.migration.forward
    if stored.transactional:
        return 0, ""
    if [one.sql for one in file.forward.statements[: row.done]] != [one.sql for one in stored.statements[: row.done]]:
        return 0, f"{half(row)}, and these have changed in the file since: restore them, and change only what follows"
    if row.done and file.forward.transactional:
        return 0, f"{half(row)}, and the file is one transaction now: put '-- transaction: none' back at its top"
    if _doubt(row, stored) or (_sent(row, stored) and _next(row, file.forward) != _next(row, stored)):
        return 0, _unknown(row, stored)
    return row.done, ""


def back(row: Row) -> tuple[int, str]:
    """Return how many statements of the stored way back to skip, or why that cannot be known."""
    script = _back(row)
    if row.state != "reverting" or script.transactional:
        return 0, ""
    return (0, _unknown(row, script)) if _doubt(row, script) else (row.done, "")


def _back(row: Row) -> Script:
    return row.migration.back or Script(statements=())


def _doubt(row: Row, script: Script) -> bool:
    """Say whether the next statement may have happened without being counted, and must not happen twice."""
    return _sent(row, script) and not script.statements[row.done].repeatable


def _sent(row: Row, script: Script) -> bool:
    return row.doing > row.done and row.done < len(script.statements)


def _next(row: Row, script: Script) -> list[str]:
    return [one.sql for one in script.statements[row.done : row.done + 1]]


def _unknown(row: Row, script: Script) -> str:
    next = script.statements[row.done]
    where = f"statement {row.done + 1} (line {next.line}, '{next.words}')"
    again = f"update {TABLE} set doing = 0 where id = '{row.id}'"
    done = f"update {TABLE} set doing = 0, done = {row.done + 1} where id = '{row.id}'"
    happened = "may have committed a part of it before it failed" if row.error else "may have happened before the crash"
    text = f"{half(row)}, and {where} {happened}: look whether it did"
    return f"{text}; if not, run in psql: {again}; if so: {done}; then `pulumi up`"
