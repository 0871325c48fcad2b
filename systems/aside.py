"""A drill's copy must not reach the live system: what could do that is put aside in it, and put back when the copy is swapped in.

Before the first row is restored, since computed views, checks and index expressions run functions of the user:

- the functions of extensions that talk to other servers are replaced by ones that raise; their text is kept;
- foreign data wrappers lose their handler, and servers their user mappings: a foreign table then fails, whatever wrapper it is of;
- the database runs in the replication role `replica` with event triggers off. That is a setting of the copy, undone by one statement;
  `alter table ... disable trigger all` would have to be written into each table, would forget which were off before, and the copy's
  schema would no longer be the live one's. Triggers that fire always still do: they meet the blocked functions.

Jobs of pg_cron are the server's, not the database's: a copy has none that runs. Functions in untrusted languages cannot be blocked
from inside: `outside` names them.
"""

from __future__ import annotations

import re
from typing import Any

import psycopg
from psycopg import sql

from sluice.core.errors import Unreachable
from sluice.core.store import Store
from sluice.systems.lock import connect
from sluice.systems.postgres import primary

ASIDE = "sluice_aside"
# Extensions whose functions open connections.
OUTBOUND = ("dblink", "http", "pg_net", "plproxy")
# From this major version on, event triggers have a switch of their own; before, the replication role covers all but those that fire always.
SWITCH = 17

REFRESH = "REFRESH MATERIALIZED VIEW "
# What a blocked function, a wrapper without its handler, and a server without its mapping say.
BLOCKED = re.compile(
    r"^blocked: '.*' is a drill's copy|^foreign-data wrapper \".*\" has no handler|^user mapping not found"
    # ... and a view on top of one that is empty for that reason.
    r"|^materialized view \".*\" has not been populated"
)

# Runs through psql as well, in the middle of a plain dump: no parameters, and twice is once.
PROTECT = f"""
create schema if not exists {ASIDE};
revoke all on schema {ASIDE} from public;
create table if not exists {ASIDE}.kept (place int generated always as identity, undo text not null);
do $sluice$
declare
    one record;
    body constant text := $body$begin raise exception 'blocked: ''%'' is a drill''s copy', current_database(); end$body$;
    super constant bool := rolsuper from pg_roles where rolname = current_user;
begin
    for one in
        select n.nspname, p.proname, pg_get_functiondef(p.oid) as was,
            pg_get_function_arguments(p.oid) as takes, pg_get_function_result(p.oid) as gives
        from pg_extension e
        join pg_depend d on d.refclassid = 'pg_extension'::regclass and d.refobjid = e.oid and d.deptype = 'e'
            and d.classid = 'pg_proc'::regclass
        join pg_proc p on p.oid = d.objid
        join pg_namespace n on n.oid = p.pronamespace
        join pg_type t on t.oid = p.prorettype
        where e.extname in ({", ".join(f"'{one}'" for one in OUTBOUND)}) and p.prokind = 'f' and p.prosrc <> body
            and (t.typtype <> 'p' or t.typname in ('void', 'record', 'trigger'))
            and not exists (select from unnest(p.proargtypes) a where a = 'internal'::regtype)
            and not exists (select from pg_foreign_data_wrapper w where w.fdwvalidator = p.oid)
    loop
        insert into {ASIDE}.kept (undo) values (one.was);
        execute format('create or replace function %I.%I(%s) returns %s language plpgsql as %L',
            one.nspname, one.proname, one.takes, one.gives, body);
    end loop;
    if exists (select from pg_foreign_server) and not super then
        raise exception 'the copy has foreign servers, which only a superuser can block: drill as one';
    end if;
    for one in
        select w.fdwname, n.nspname, p.proname from pg_foreign_data_wrapper w
        join pg_proc p on p.oid = w.fdwhandler join pg_namespace n on n.oid = p.pronamespace
        where super
    loop
        insert into {ASIDE}.kept (undo)
            values (format('alter foreign data wrapper %I handler %I.%I', one.fdwname, one.nspname, one.proname));
        execute format('alter foreign data wrapper %I no handler', one.fdwname);
    end loop;
    if super then
        for one in
            select format('user mapping for %s server %I', coalesce(quote_ident(r.rolname), 'public'), s.srvname) as whose,
                (select string_agg(format('%I %L', option_name, option_value), ', ') from pg_options_to_table(u.umoptions)) as options
            from pg_user_mapping u join pg_foreign_server s on s.oid = u.umserver left join pg_roles r on r.oid = u.umuser
        loop
            insert into {ASIDE}.kept (undo) values ('create ' || one.whose || coalesce(' options (' || one.options || ')', ''));
            execute 'drop ' || one.whose;
        end loop;
    end if;
end
$sluice$;
"""

UNTRUSTED = """
    select format('%s.%s in %s', n.nspname, p.proname, l.lanname)
    from pg_proc p join pg_language l on l.oid = p.prolang join pg_namespace n on n.oid = p.pronamespace
    where not l.lanpltrusted and l.lanname <> 'internal' and n.nspname not in ('pg_catalog', 'information_schema')
        and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
    order by 1
"""


def quiet(connection: psycopg.Connection[Any], scratch: str, major: int) -> list[str]:
    """Turn triggers off for every session of a copy that is still empty; return what this role may not turn off, each a sentence."""
    settings = [("session_replication_role", "replica"), *([("event_triggers", "off")] if major >= SWITCH else [])]
    return [note for name, value in settings for note in _set(connection, scratch, name, value)]


def _set(connection: psycopg.Connection[Any], scratch: str, name: str, value: str) -> list[str]:
    query = sql.SQL("alter database {} set {} = {}").format(sql.Identifier(scratch), sql.Identifier(name), sql.Literal(value))
    try:
        connection.execute(query)
    except psycopg.errors.InsufficientPrivilege:
        return [f"triggers stay on: this role may not set {name}; nothing in the copy can reach another server"]
    return []


def protect(connection: psycopg.Connection[Any]) -> None:
    """Put aside, in the copy that is connected to, everything that reaches other servers; once more does no harm."""
    connection.execute(PROTECT.encode())


def outside(connection: psycopg.Connection[Any]) -> list[str]:
    """Return a sentence for each function of the user that could reach out and cannot be blocked."""
    return [f"{name} is not blocked: its language is untrusted" for (name,) in connection.execute(UNTRUSTED)]


def compute(connection: psycopg.Connection[Any], refresh: str) -> list[str]:
    """Compute a materialized view; one that reads another system stays empty until the copy is opened, which is the sentence returned."""
    try:
        connection.execute(refresh.encode())
    except psycopg.Error as error:
        if not BLOCKED.search(why := primary(error)):
            raise
        connection.execute(sql.SQL("insert into {} (undo) values (%s)").format(sql.Identifier(ASIDE, "kept")), [refresh])
        return [f"`{refresh.rstrip(';')}` waits for the copy to be opened: {why}"]
    return []


def open_copy(store: Store) -> list[str]:
    """Make a drill's copy a normal database again, in one transaction: the last step before it is swapped in.

    Returns a sentence for each materialized view that could not be computed even now: its other system does not answer.
    Does nothing to a database that is no copy. Unreachable with the server's own primary message.
    """
    try:
        with connect(store, "restore", autocommit=False) as connection:
            views = _open(connection)
        with connect(store, "restore") as connection:
            return [said for view in views for said in _late(connection, view)]
    except psycopg.Error as error:
        raise Unreachable(f"database {store.place}: {primary(error)}") from None


def _late(connection: psycopg.Connection[Any], refresh: str) -> list[str]:
    try:
        connection.execute(refresh.encode())
    except psycopg.Error as error:
        return [f"`{refresh.rstrip(';')}` failed: {primary(error)}"]
    return []


def _open(connection: psycopg.Connection[Any]) -> list[str]:
    """Undo, last first, and return the computed views, which come after everything and in their own order."""
    row = connection.execute(
        "select to_regclass(%s) is not null, current_setting('server_version_num')::int / 10000, current_database()", [f"{ASIDE}.kept"]
    )
    aside, major, name = row.fetchone() or (False, 0, "")
    if not aside:
        return []
    kept = connection.execute(sql.SQL("select undo from {} order by place desc").format(sql.Identifier(ASIDE, "kept"))).fetchall()
    views = [undo for (undo,) in reversed(kept) if undo.startswith(REFRESH)]
    for (undo,) in kept:
        if undo not in views:
            connection.execute(undo.encode())
    connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(ASIDE)))
    for setting in ("session_replication_role", *(["event_triggers"] if major >= SWITCH else [])):
        connection.execute(sql.SQL("alter database {} reset {}").format(sql.Identifier(name), sql.Identifier(setting)))
    return views
