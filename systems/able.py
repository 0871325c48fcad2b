"""Whether a database can be saved, and restored beside itself: found out before anything is written."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.core.backup.room import Room
from sluice.core.database import Database
from sluice.core.settings.permission import Ask
from sluice.core.store import Store, odd
from sluice.systems import room, schema
from sluice.systems.aside import ASIDE
from sluice.systems.source import Source, reading

ROLE = """
    select r.rolsuper or r.rolcreatedb, r.rolsuper or pg_has_role(d.datdba, 'member'), o.rolname
    from pg_roles r, pg_database d join pg_roles o on o.oid = d.datdba where r.rolname = current_user and d.datname = current_database()
"""


def refusals(databases: Sequence[Database], when: str, ask: Ask | None = None, *, skip: str = "", place: Room | None = None) -> list[str]:
    """Return why databases cannot go where a release wants them, or else not be saved and drilled before, each with its database's name.

    `when` is what a backup is asked for: pending or always; `ask` writes the command that would allow a way back. `skip` is who
    lets the release go without a backup: what has statements to run needs one all the same. `place` is where backups go: without it
    nobody looks whether there is room.
    """
    if named := _odd(databases):
        return named
    wanted = schema.refusals(databases, ask) or [_needed(one, skip) for one in databases if skip and schema.moves(one)]
    when = "pending" if skip else when
    if wanted:
        return wanted
    saved = [one.store for one in databases if due(one, when)]
    return [*(f"{one.dbname}: {why}" for one in saved for why in _unable(one)), *(room.short(saved, place) if place else [])]


def _needed(database: Database, who: str) -> str:
    why = f"{database.name}: has statements to run, and '{who}' lets this release go without a backup, which only one without them can do"
    return f"{why}: take skip out of sluice:rollout.permissions"


def unable(databases: Sequence[Database]) -> list[str]:
    """Return why databases cannot be saved, or a backup of them not be restored beside them, wherever they are to go."""
    return _odd(databases) or [f"{one.name}: {why}" for one in databases if not schema.bare(one) for why in _unable(one.store)]


def _odd(databases: Sequence[Database]) -> list[str]:
    return [f"{one.name}: {why}" for one in databases if (why := odd(one.name))]


def due(database: Database, when: str) -> bool:
    """Say whether a database is to be saved: somebody wants it, and it has something to lose."""
    return wanted(database, when) and not schema.bare(database)


def wanted(database: Database, when: str) -> bool:
    """Say whether a database would be saved if it had something to lose: config says always, or it has statements to run."""
    return when == "always" or (when == "pending" and schema.moves(database))


def _unable(store: Store) -> list[str]:
    with reading(store, "backup") as source:
        return [*unsaved(source, store.user), *_unrestored(source, store.user)]


def unsaved(source: Source, user: str) -> list[str]:
    """Return what a dump by this role would stumble over, or silently leave out."""
    row = source.connection.execute("select to_regnamespace(%s) is not null", [ASIDE]).fetchone()
    why = f"has a schema '{ASIDE}', which is what a drill's copy has: rename the schema; a copy that was swapped in is opened by"
    return [
        *(f"{one} cannot be read by '{user}': grant pg_read_all_data to {user}" for one in source.unreadable()),
        *(f"{one} has row-level security, and '{user}' would save only some rows: alter role {user} bypassrls" for one in source.hidden()),
        *([f"{why} sluice.systems.aside.open_copy"] if row and row[0] else []),
    ]


def _unrestored(source: Source, user: str) -> list[str]:
    create, belongs, owner = source.connection.execute(ROLE).fetchone() or (True, True, "")
    return [
        *([] if create else [f"'{user}' may not make the database that a backup is restored into: alter role {user} createdb"]),
        *([] if belongs else [f"'{user}' cannot make a copy that '{owner}' owns: grant {owner} to {user}"]),
    ]
