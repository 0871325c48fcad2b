"""What is told of a migration that did not go through: where, what the server said, what the database is now, and what to do."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.core.migration.file import Migration
from sluice.core.migration.script import Script

MEND = "mend the file or the data, then `pulumi up`"
PART = "this one may have committed a part of itself, and `pulumi up` says what to look at"
AGAIN = "`pulumi up` finds out and goes on"


def failed(migration: Migration, *, action: str, spot: str, why: str, now: str, next: str = "") -> str:
    """Tell it in one line; `next` unless it is to be mended."""
    what = "migration" if action == "up" else "the way back of migration"
    return f"{what} '{migration.name}' failed{spot}: {why}; {now}: {next or mend(migration, action)}"


def mend(migration: Migration, action: str) -> str:
    """Say what leads on: of an applied SQL file the way back is the one that the database has kept, whatever is written in the file."""
    if action == "up" or migration.kind == "alembic":
        return MEND
    kept = "the way back is the one that the database has kept, so its file must stay as it is: mend the data, then `pulumi up`"
    # What is half reverted must be finished before anything else.
    whole = migration.back is not None and migration.back.transactional
    return f"{kept}, or release a revision from '{migration.id}' on, with a new file that undoes it" if whole else kept


def spot(script: Script, index: int) -> str:
    """Say which statement it was; one past the last is the end of the transaction."""
    total = len(script.statements)
    if index >= total:
        return " at its end"
    one = script.statements[index]
    return f" at statement {index + 1} of {total} (line {one.line}, '{one.words}')"


def unchanged(action: str) -> str:
    """Say that a transaction left nothing."""
    return "the database is unchanged by it" if action == "up" else "it is still applied"


def partly(done: int, total: int) -> str:
    """Say how far a script without a transaction has come."""
    return f"{done} of {total} statements are done and stay" if done else "no statement is done"


def blocked(message: str, tries: int, seen: Sequence[str]) -> str:
    """Say who did not let go of a lock."""
    behind = f", behind {' and '.join(seen)}" if seen else ""
    times = f" {tries} times" if tries > 1 else ""
    return f"{message}{times}{behind}"


def unblock(pids: Sequence[int]) -> str:
    """Say how to get a lock that others hold."""
    ends = " and ".join(f"`select pg_terminate_backend({pid})`" for pid in pids)
    return f"wait for that session, or end it with {ends}, then `pulumi up`" if pids else "look at pg_locks, then `pulumi up`"


def dumping(seen: Sequence[str], waited: float) -> str:
    """Say which dump is in the way."""
    return f"{' and '.join(seen)} dumps this database, still after {waited:.0f} s, and DDL beside it would block every reader"
