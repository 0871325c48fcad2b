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

from sluice.core.backup.around import Around
from sluice.core.store import Store
from sluice.systems.around import admit, settle
from sluice.systems.lock import connect
from sluice.systems.postgres import answered, primary

ASIDE = "sluice_aside"
# Extensions whose functions open connections.
OUTBOUND = ("dblink", "http", "pg_net", "plproxy")
# From this major version on, event triggers have a switch of their own; before, the replication role covers all but those that fire always.
SWITCH = 17
QUIET = {"session_replication_role": "replica", "event_triggers": "off"}

REFRESH = "REFRESH MATERIALIZED VIEW "
AROUND = "around "
# What a blocked function, a wrapper without its handler, and a server without its mapping say.
BLOCKED = re.compile(
    r"^blocked: '.*' is a drill's copy|^foreign-data wrapper \".*\" has no handler|^user mapping not found"
    # ... and a view on top of one that is empty for that reason.
    r"|^materialized view \".*\" has not been populated"
)

# What puts aside, as the body of a block or of a function.
BLOCK = f"""
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
"""
# Runs through psql as well, in the middle of a plain dump: no parameters, and twice is once.
PROTECT = f"""
create schema if not exists {ASIDE};
revoke all on schema {ASIDE} from public;
create table if not exists {ASIDE}.kept (place int generated always as identity, undo text not null);
do $sluice$ {BLOCK} $sluice$;
"""

# What a migration may make in the middle of a rehearsal, from its own text or from a function's, and what then has to be blocked.
TAGS = (
    "CREATE EXTENSION",
    "ALTER EXTENSION",
    "CREATE FOREIGN DATA WRAPPER",
    "ALTER FOREIGN DATA WRAPPER",
    "CREATE USER MAPPING",
    "ALTER USER MAPPING",
    "CREATE FUNCTION",
    "CREATE TRIGGER",
)
# Functions that act outside of the database, found by their words.
OUTWARD = r"\m(program|lo_export|pg_file_write|pg_reload_conf|pg_terminate_backend)\M|\malter\s+system\M"
# Triggers whose functions reach out, themselves or through others, as far as their texts say by name; one that says nothing runs, and meets
# a blocked function. Foreign keys are triggers too, and must not be off: so these are the only ones that are.
STILL = rf"""
declare
    one record;
begin
    for one in
        with recursive reach as (
            select p.proname::text as name from pg_extension e
                join pg_depend d on d.refclassid = 'pg_extension'::regclass and d.refobjid = e.oid and d.classid = 'pg_proc'::regclass
                join pg_proc p on p.oid = d.objid where e.extname in ({", ".join(f"'{one}'" for one in OUTBOUND)})
            union select c.relname::text from pg_class c where c.relkind = 'f'
            union select p.proname::text from pg_proc p join pg_language l on l.oid = p.prolang
                where p.pronamespace::regnamespace::text not in ('pg_catalog', 'information_schema', '{ASIDE}')
                    and (p.prosrc ~* '{OUTWARD}' or not (l.lanpltrusted or l.lanname in ('internal', 'sql')))
            union select p.proname::text from reach r join pg_proc p on p.prosrc || coalesce(pg_get_function_sqlbody(p.oid), '')
                    ~ ('\m' || regexp_replace(r.name, '(\W)', '\\\1', 'g') || '\M')
                where p.pronamespace::regnamespace::text not in ('pg_catalog', 'information_schema', '{ASIDE}')
        )
        select format('alter table %I.%I disable trigger %I', n.nspname, c.relname, t.tgname) as said
            from pg_trigger t join pg_proc p on p.oid = t.tgfoid join pg_class c on c.oid = t.tgrelid
            join pg_namespace n on n.oid = c.relnamespace
            where not t.tgisinternal and t.tgenabled <> 'D' and p.proname in (select name from reach)
        union all
        select format('alter event trigger %I disable', e.evtname) from pg_event_trigger e join pg_proc p on p.oid = e.evtfoid
            where e.evtenabled <> 'D' and p.proname in (select name from reach)
    loop
        begin
            execute one.said;
        exception when object_in_use then
            null; -- It runs on, and meets what is blocked.
        end;
    end loop;
end
"""
# A migration may act as another role, which must not be able to do all this itself.
OWNERS = "language plpgsql security definer set search_path = pg_catalog, pg_temp"
LOOSE = "function % is in a language that nothing holds back: make it by hand, before the release"
# An event trigger is the only thing that sees what a function has made before the function's next statement uses it.
WATCH = f"""
create function {ASIDE}.block() returns void {OWNERS} as $sluice$ {BLOCK} $sluice$;
create function {ASIDE}.still() returns void {OWNERS} as $sluice$ {STILL} $sluice$;
create function {ASIDE}.watch() returns event_trigger {OWNERS} as $sluice$
declare
    made text;
begin
    -- What blocks makes functions itself; and an extension is whole only when its own event comes, after those of its parts.
    if current_setting('sluice.blocking', true) = 'on' or exists (select from pg_event_trigger_ddl_commands() where in_extension) then
        return;
    end if;
    select p.oid::regprocedure::text into made from pg_event_trigger_ddl_commands() d
        join pg_proc p on d.classid = 'pg_proc'::regclass and p.oid = d.objid join pg_language l on l.oid = p.prolang
        where not (l.lanpltrusted or l.lanname in ('internal', 'sql'));
    if made is not null then
        raise exception '{LOOSE}', made;
    end if;
    perform set_config('sluice.blocking', 'on', true), {ASIDE}.block(), {ASIDE}.still();
    perform set_config('sluice.blocking', 'off', true);
end
$sluice$;
select {ASIDE}.still();
create event trigger sluice_watch on ddl_command_end when tag in ({", ".join(f"'{one}'" for one in TAGS)})
    execute function {ASIDE}.watch();
alter event trigger sluice_watch enable always;
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
    return [note for name, value in _quiet(major).items() for note in _set(connection, scratch, name, value)]


def _set(connection: psycopg.Connection[Any], scratch: str, name: str, value: str) -> list[str]:
    query = sql.SQL("alter database {} set {} = {}").format(sql.Identifier(scratch), sql.Identifier(name), sql.Literal(value))
    try:
        connection.execute(query)
    except psycopg.errors.InsufficientPrivilege:
        return [f"triggers stay on: this role may not set {name}; nothing in the copy can reach another server"]
    return []


def loud(connection: psycopg.Connection[Any], scratch: str, major: int) -> None:
    """Let triggers run again: what `quiet` has set for a database is taken away."""
    for setting in _quiet(major):
        connection.execute(sql.SQL("alter database {} reset {}").format(sql.Identifier(scratch), sql.Identifier(setting)))


def _quiet(major: int) -> dict[str, str]:
    return {name: value for name, value in QUIET.items() if major >= SWITCH or name != "event_triggers"}


def watch(connection: psycopg.Connection[Any]) -> None:
    """Put aside, in the trial that is connected to, also whatever is going to be made in it, as soon as it is there.

    Only a superuser can; and only a superuser can make what reaches out, but for the roles of managed servers (docs/components/backup.md).
    """
    protect(connection)
    row = connection.execute("select rolsuper from pg_roles where rolname = current_user").fetchone()
    if row and row[0]:
        connection.execute(WATCH.encode())


def remember(connection: psycopg.Connection[Any], found: Around) -> None:
    """Remember in a copy what the live database has around it, for when the copy is opened."""
    query = sql.SQL("insert into {} (undo) values (%s)").format(sql.Identifier(ASIDE, "kept"))
    connection.execute(query, [AROUND + found.model_dump_json()])


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

    It gets the settings and rights that the live database had when it was saved. Returns a sentence for each that this role may not give,
    and for each materialized view that could not be computed even now: its other system does not answer.
    Does nothing to a database that is no copy. Unreachable with the server's own primary message.
    """
    with answered(store):
        with connect(store, "restore", autocommit=False) as connection:
            views, said = _open(connection)
        with connect(store, "restore") as connection:
            return [*said, *(why for view in views for why in _late(connection, view))]


def _late(connection: psycopg.Connection[Any], refresh: str) -> list[str]:
    try:
        connection.execute(refresh.encode())
    except psycopg.Error as error:
        return [f"`{refresh.rstrip(';')}` failed: {primary(error)}"]
    return []


def _open(connection: psycopg.Connection[Any]) -> tuple[list[str], list[str]]:
    """Undo, last first, and return the computed views, which come after everything and in their own order; and what was not put back."""
    row = connection.execute(
        "select to_regclass(%s) is not null, current_setting('server_version_num')::int / 10000, current_database()", [f"{ASIDE}.kept"]
    )
    aside, major, name = row.fetchone() or (False, 0, "")
    if not aside:
        return [], []
    kept = [
        undo for (undo,) in connection.execute(sql.SQL("select undo from {} order by place desc").format(sql.Identifier(ASIDE, "kept")))
    ]
    views = [undo for undo in reversed(kept) if undo.startswith(REFRESH)]
    for undo in kept:
        if not undo.startswith((REFRESH, AROUND)):
            connection.execute(undo.encode())
    connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(ASIDE)))
    loud(connection, name, major)
    found = [Around.model_validate_json(undo.removeprefix(AROUND)) for undo in kept if undo.startswith(AROUND)]
    return views, [why for one in found for give in (settle, admit) for why in give(connection, name, one)]
