"""The history table `sluice_history.migration`: a change to a row is one statement, which says so when the row is not as expected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.rows import dict_row

from sluice.core.errors import Superseded
from sluice.core.migration.file import Migration
from sluice.core.migration.row import Row
from sluice.systems.migration_session import Session

# Not called `sluice`: a role of that name would have it first in its search_path, and a team's tables would land in it.
# The columns are a stored format: only ever add one, with a default.
TABLE = """
    create schema if not exists sluice_history;
    create table if not exists sluice_history.migration (
        id text primary key, name text not null, sha256 text not null, phase text not null, way text not null,
        state text not null check (state in ('running', 'applied', 'reverting', 'failed')),
        total int not null, done int not null default 0, doing int not null default 0,
        up text not null, down text not null default '', error text not null default '',
        release text not null default '', "by" text not null default '',
        begun_at timestamptz not null default clock_timestamp(), ended_at timestamptz, seconds float8
    )
"""
# Both keep `doing`: what was sent before a crash stays in doubt until its end is known.
BEGIN = """
    insert into sluice_history.migration as m (id, name, sha256, phase, way, state, total, done, up, down, release, "by")
    values (%(id)s, %(name)s, %(sha256)s, %(phase)s, %(way)s, 'running', %(total)s, %(done)s, %(up)s, %(down)s, %(release)s, %(by)s)
    on conflict (id) do update set name = excluded.name, sha256 = excluded.sha256, phase = excluded.phase, way = excluded.way,
        state = 'running', total = excluded.total, done = excluded.done, up = excluded.up, down = excluded.down, error = '',
        release = excluded.release, "by" = excluded."by", begun_at = clock_timestamp(), ended_at = null, seconds = null
    where m.state in ('running', 'failed')
"""
REVERT = """
    update sluice_history.migration set state = 'reverting', total = %(total)s, done = %(done)s, error = '',
        release = %(release)s, "by" = %(by)s, begun_at = clock_timestamp(), ended_at = null, seconds = null
    where id = %(id)s and state in ('applied', 'reverting')
"""
END = "ended_at = clock_timestamp(), seconds = extract(epoch from clock_timestamp() - begun_at)"
STATES = {"up": "running", "down": "reverting"}


def rows(session: Session) -> list[Row]:
    """Return all rows; none when there is no table."""
    if not _there(session):
        return []
    with session.cursor(row_factory=dict_row) as cursor:
        return [Row.model_validate(row) for row in cursor.execute("select * from sluice_history.migration order by id")]


def make(session: Session) -> None:
    """Make the table where it is missing; a role that may not is only stopped then."""
    if _there(session):
        return
    try:
        session.execute(TABLE)
    except psycopg.errors.UniqueViolation:
        # A deployer that has just died was making it: what it sent has ended by now, one way or the other.
        session.execute(TABLE)


def _there(session: Session) -> bool:
    found = session.execute("select to_regclass('sluice_history.migration') is not null").fetchone()
    return bool(found and found[0])


def begin(session: Session, step: Migration, *, action: str, total: int, done: int, release: str, by: str) -> None:
    """Write that a migration is about to run, before anything of it does."""
    words = {name: getattr(step, name) for name in ("id", "name", "sha256", "phase", "way", "up", "down")}
    given: dict[str, Any] = {**words, "total": total, "done": done, "release": release, "by": by}
    _one(session, BEGIN if action == "up" else REVERT, given)


def doing(session: Session, id: str, number: int) -> None:
    """Write which statement is sent outside a transaction; 0 when its end is known."""
    _one(session, "update sluice_history.migration set doing = %(number)s where id = %(id)s", {"id": id, "number": number})


def done(session: Session, id: str, count: int, *, action: str) -> None:
    """Write how many statements are done."""
    state = STATES[action]
    query = "update sluice_history.migration set done = %(count)s, doing = 0 where id = %(id)s and state = %(state)s"
    _one(session, query, {"id": id, "count": count, "state": state})


def end(session: Session, id: str, *, action: str) -> None:
    """Write that a migration is applied; forget one that is reverted."""
    _one(session, ended(action), {"id": id})


def ended(action: str) -> str:
    """Return the statement that `end` sends, for whoever has a session of its own; it must change one row."""
    if action == "down":
        return "delete from sluice_history.migration where id = %(id)s and state = 'reverting'"
    query = f"update sluice_history.migration set state = 'applied', done = total, doing = 0, error = '', {END}"
    return f"{query} where id = %(id)s and state = 'running'"


def fail(session: Session, id: str, error: str, *, action: str, doing: int = 0) -> None:
    """Write that a migration has failed in a way that is known; one that goes back stays `reverting`; `doing`: what is in doubt."""
    state = "failed" if action == "up" else "reverting"
    query = f"update sluice_history.migration set state = %(state)s, doing = %(doing)s, error = %(error)s, {END} where id = %(id)s"
    _one(session, query, {"id": id, "state": state, "error": error, "doing": doing})


def adopt(session: Session, step: Migration) -> None:
    """Write that a migration is applied which was so before anybody kept a history."""
    words = {name: getattr(step, name) for name in ("id", "name", "sha256", "phase", "way", "up", "down")}
    query = f"""
        insert into sluice_history.migration (state, total, done, {", ".join(words)})
        values ('applied', 0, 0, {", ".join(f"%({name})s" for name in words)}) on conflict (id) do nothing
    """
    session.execute(query.encode(), words)


def forget(session: Session, ids: Sequence[str]) -> None:
    """Forget migrations that somebody has taken back by hand."""
    session.execute("delete from sluice_history.migration where id = any(%(ids)s)", {"ids": list(ids)})


def mark(session: Session, id: str, total: int) -> None:
    """Write that a migration of so many statements is applied: of its way back nothing has happened."""
    query = "update sluice_history.migration set state = 'applied', done = %(total)s, total = %(total)s, doing = 0, error = ''"
    _one(session, f"{query} where id = %(id)s and state = 'reverting'", {"id": id, "total": total})


def clear(session: Session, id: str) -> None:
    """Forget a migration of which nothing is in the database."""
    _one(session, "delete from sluice_history.migration where id = %(id)s and state in ('running', 'failed')", {"id": id})


def _one(session: Session, query: str, given: dict[str, Any]) -> None:
    """Change one row; another runner has been here when there is none."""
    if session.execute(query.encode(), given).rowcount != 1:
        raise Superseded(
            f"the row of migration '{given['id']}' in sluice_history.migration is not as this run left it: another run is at work"
        )
