"""A database made beside another of the same kind, and dropped again."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from sluice.core.errors import BackupFailed

# The column of the locale's name has changed its own: 15 and 16 know only ICU's.
KIND = """
    select pg_encoding_to_char(encoding), datcollate, datctype, datlocprovider::text, {locale}, {rules}, r.rolname
    from pg_database d join pg_roles r on r.oid = d.datdba where datname = {name}
"""
PROVIDER = {"c": "libc", "i": "icu", "b": "builtin"}
# The steps that work on copies, each under the database's lock: whoever holds it knows that no other one is alive. A statement of one
# whose deployer was killed goes on all the same, and would make a copy that was dropped before it was there.
STEPS = ["sluice drill", "sluice rehearsal", "sluice restore", "sluice backup", "sluice repair"]
ORPHANS = """
    select application_name, pid, name, pg_terminate_backend(pid, 5000) from pg_stat_activity
    join unnest(%(names)s::text[]) name on datname = name or state = 'active' and strpos(query, name) > 0
    where application_name = any(%(steps)s) and pid <> pg_backend_pid()
"""


def clear(connection: psycopg.Connection[Any], *names: str) -> list[str]:
    """End what dead deployers have left at work on copies, by whoever holds their database's lock; return each in a line."""
    found = connection.execute(ORPHANS, {"names": list(names), "steps": STEPS}).fetchall()
    return [f"ended {step} (pid {pid}) at '{name}', which a dead deployer had left" for step, pid, name, _ in found]


def create(connection: psycopg.Connection[Any], like: str, name: str) -> None:
    """Make an empty database with another's encoding, locale and owner, from template0; BackupFailed when the name is taken."""
    query = sql.SQL("create database {} template template0 {}").format(sql.Identifier(name), _kind(connection, like))
    try:
        connection.execute(query)
    except psycopg.errors.DuplicateDatabase:
        raise BackupFailed(f"database '{name}' exists already, and nothing is restored over it: drop it when nobody needs it") from None
    shut(connection, name)


def shut(connection: psycopg.Connection[Any], name: str) -> None:
    """Let only its owner and superusers in: whom the live database keeps out, its copy must not let in."""
    connection.execute(sql.SQL("revoke connect on database {} from public").format(sql.Identifier(name)))


def _kind(connection: psycopg.Connection[Any], like: str) -> sql.Composed:
    version = connection.info.server_version // 10000
    locale = "datlocale" if version >= 17 else "daticulocale" if version >= 15 else "null"
    rules = "daticurules" if version >= 16 else "null"
    text = KIND.replace("datlocprovider::text", "datlocprovider::text" if version >= 15 else "'c'")
    query = sql.SQL(text).format(locale=sql.SQL(locale), rules=sql.SQL(rules), name=sql.Literal(like))
    row = connection.execute(query).fetchone()
    if row is None:
        raise BackupFailed(f"database '{like}' is gone: nothing to compare a copy with")
    return _options(*row, old=version < 15)


def _options(
    encoding: str, collate: str, ctype: str, provider: str, locale: str | None, rules: str | None, owner: str, *, old: bool
) -> sql.Composed:
    pairs = {"encoding": encoding, "lc_collate": collate, "lc_ctype": ctype}
    pairs |= {} if old else {"locale_provider": PROVIDER[provider]}
    pairs |= {f"{PROVIDER[provider]}_locale": locale} if locale else {}
    pairs |= {"icu_rules": rules} if rules else {}
    said = [sql.SQL("{} {}").format(sql.SQL(one), sql.Literal(value)) for one, value in pairs.items()]
    return sql.SQL(" ").join([*said, sql.SQL("owner {}").format(sql.Identifier(owner))])


def drop(connection: psycopg.Connection[Any], name: str) -> None:
    """Drop a database that a drill has made, with all sessions on it; one that is gone is fine."""
    connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
