"""What belongs to a database's name, and not to what is in it: no dump of one database has it, so it is carried over when another takes
the name.

These are its settings and those of roles in it, its grants, its owner, its comment and its limit of connections. Each statement may be
part of a transaction.
"""

from __future__ import annotations

import re
from typing import Any

import psycopg
from psycopg import sql

SETTINGS = """
    select coalesce(r.rolname, '') as role, split_part(one, '=', 1) as name, substr(one, strpos(one, '=') + 1) as value
    from pg_db_role_setting s left join pg_roles r on r.oid = s.setrole cross join unnest(s.setconfig) one
    where s.setdatabase = (select oid from pg_database where datname = %s) order by 1, 2
"""
GRANTS = """
    select coalesce(r.rolname, ''), a.privilege_type, a.is_grantable
    from pg_database d cross join aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a left join pg_roles r on r.oid = a.grantee
    where d.datname = %s order by 1, 2
"""
FACTS = """
    select r.rolname, d.datconnlimit, shobj_description(d.oid, 'pg_database')
    from pg_database d join pg_roles r on r.oid = d.datdba where d.datname = %s
"""
# Their values are lists of names, quoted where needed: as one word, a list would be one name.
LISTS = ("local_preload_libraries", "search_path", "session_preload_libraries", "temp_tablespaces")
PRIVILEGES = {"CONNECT": sql.SQL("connect"), "CREATE": sql.SQL("create"), "TEMPORARY": sql.SQL("temporary")}
NAMES = re.compile(r'"((?:[^"]|"")*)"|([^,\s]+)')


def carry(connection: psycopg.Connection[Any], source: str, target: str) -> None:
    """Give one database what belongs to another's name, and take away what it had itself."""
    name = sql.Identifier(target)
    _owner(connection, source, name)
    _settings(connection, source, target, name)
    _grants(connection, source, target, name)


def setting(connection: psycopg.Connection[Any], database: str, key: str) -> str | None:
    """Return what a setting is set to for a whole database, None when it is not."""
    rows = connection.execute(SETTINGS, [database]).fetchall()
    return next((str(value) for role, name, value in rows if (role, name) == ("", key)), None)


def put(connection: psycopg.Connection[Any], database: str, key: str, value: str | None) -> None:
    """Set a setting of a whole database, or reset it with None."""
    _set(connection, sql.SQL("alter database {}").format(sql.Identifier(database)), key, value)


def _owner(connection: psycopg.Connection[Any], source: str, name: sql.Identifier) -> None:
    row = connection.execute(FACTS, [source]).fetchone()
    assert row is not None
    owner, limit, comment = row
    connection.execute(sql.SQL("alter database {} owner to {}").format(name, sql.Identifier(owner)))
    connection.execute(sql.SQL("alter database {} connection limit {}").format(name, sql.Literal(limit)))
    connection.execute(sql.SQL("comment on database {} is {}").format(name, sql.Literal(comment)))


def _settings(connection: psycopg.Connection[Any], source: str, target: str, name: sql.Identifier) -> None:
    for role in {role for role, *_ in connection.execute(SETTINGS, [target]).fetchall()}:
        connection.execute(sql.SQL("{} reset all").format(_whose(role, name)))
    for role, key, value in connection.execute(SETTINGS, [source]).fetchall():
        _set(connection, _whose(role, name), key, value)


def _whose(role: str, name: sql.Identifier) -> sql.Composed:
    if role:
        return sql.SQL("alter role {} in database {}").format(sql.Identifier(role), name)
    return sql.SQL("alter database {}").format(name)


def _set(connection: psycopg.Connection[Any], whose: sql.Composed, key: str, value: str | None) -> None:
    # Settings of extensions have a dot in their names, which is no part of a name.
    where = sql.SQL(".").join(sql.Identifier(one) for one in key.split("."))
    if value is None:
        connection.execute(sql.SQL("{} reset {}").format(whose, where))
        return
    words = [quoted.replace('""', '"') or plain for quoted, plain in NAMES.findall(value)] if key in LISTS else [value]
    connection.execute(sql.SQL("{} set {} to {}").format(whose, where, sql.SQL(", ").join(map(sql.Literal, words))))


def _grants(connection: psycopg.Connection[Any], source: str, target: str, name: sql.Identifier) -> None:
    had = {role for role, *_ in connection.execute(GRANTS, [target]).fetchall()}
    connection.execute(sql.SQL("revoke all on database {} from {} cascade").format(name, sql.SQL(", ").join(map(_who, sorted({"", *had})))))
    for role, privilege, grantable in connection.execute(GRANTS, [source]).fetchall():
        more = sql.SQL(" with grant option" if grantable else "")
        connection.execute(sql.SQL("grant {} on database {} to {}{}").format(PRIVILEGES[privilege], name, _who(role), more))


def _who(role: str) -> sql.Composable:
    return sql.Identifier(role) if role else sql.SQL("public")
