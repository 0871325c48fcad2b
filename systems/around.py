"""A database's own settings and rights, read from one and given to another: a copy that is swapped in has to have them too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import psycopg
from psycopg import sql

from sluice.core.backup.around import Around, listed
from sluice.systems.postgres import primary

SETTINGS = """
    select coalesce(r.rolname, ''), split_part(one, '=', 1), substr(one, strpos(one, '=') + 1)
    from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase left join pg_roles r on r.oid = s.setrole, unnest(s.setconfig) one
    where d.datname = %s order by 1, 2
"""
RIGHTS = """
    select coalesce(r.rolname, ''), a.privilege_type, a.is_grantable
    from pg_database d, aclexplode(d.datacl) a left join pg_roles r on r.oid = a.grantee where d.datname = %s order by 1, 2
"""
LIMIT = "select datacl is null, datconnlimit from pg_database where datname = %s"


def around(connection: psycopg.Connection[Any], dbname: str) -> Around:
    """Return what a database has around it; of one that is not there, nothing."""
    usual, limit = connection.execute(LIMIT, [dbname]).fetchone() or (True, -1)
    settings = tuple(connection.execute(SETTINGS, [dbname]).fetchall())
    return Around(settings=settings, rights=None if usual else tuple(connection.execute(RIGHTS, [dbname]).fetchall()), limit=limit)


def settle(connection: psycopg.Connection[Any], dbname: str, found: Around) -> list[str]:
    """Give a database settings; return a sentence for each that this role may not give, without its value."""
    tried = ((name, _tried(connection, one)) for name, one in _settings(dbname, found))
    # The server's own message would quote the value.
    return [f"setting {name} of '{dbname}' was not taken over: {type(error).__name__}" for name, error in tried if error]


def admit(connection: psycopg.Connection[Any], dbname: str, found: Around) -> list[str]:
    """Give a database rights and a limit; return a sentence for each that this role may not give."""
    tried = ((one.as_string(connection), _tried(connection, one)) for one in _rights(dbname, found))
    return [f"`{one}` failed: {primary(error)}" for one, error in tried if error]


def _tried(connection: psycopg.Connection[Any], statement: sql.Composed) -> psycopg.Error | None:
    try:
        with connection.transaction():
            connection.execute(statement)
    except psycopg.errors.DatabaseError as error:
        return error
    return None


def _settings(dbname: str, found: Around) -> Iterator[tuple[str, sql.Composed]]:
    database = sql.Identifier(dbname)
    for role, name, value in found.settings:
        whose = (
            sql.SQL("role {} in database {}").format(sql.Identifier(role), database) if role else sql.SQL("database {}").format(database)
        )
        # A name of an extension's setting has a dot between two names.
        named = sql.SQL(".").join(map(sql.Identifier, name.split(".")))
        text = listed(name, value)
        given = sql.SQL(text) if text else sql.Literal(value)
        yield name, sql.SQL("alter {} set {} to {}").format(whose, named, given)


def _rights(dbname: str, found: Around) -> Iterable[sql.Composed]:
    database = sql.Identifier(dbname)
    if found.limit >= 0:
        yield sql.SQL("alter database {} connection limit {}").format(database, sql.Literal(found.limit))
    yield sql.SQL("revoke all on database {} from public").format(database)
    for role, right, passes in (("", "CONNECT", False), ("", "TEMPORARY", False)) if found.rights is None else found.rights:
        whom = sql.Identifier(role) if role else sql.SQL("public")
        option = sql.SQL(" with grant option" if passes else "")
        yield sql.SQL("grant {} on database {} to {}{}").format(sql.SQL(right), database, whom, option)
