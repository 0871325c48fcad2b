-- phase: expand
-- way: reversible
-- lock_timeout: 2s
-- verify: nobody is missing in postgres: select * from v_user_sync_missing
-- verify: both databases have as many users: select * from v_user_sync_status where difference <> 0
--
-- Whoever registers, changes or leaves is copied to the database postgres by a trigger; 1.0.0 writes there itself,
-- which a crash can cut in two.
-- Versions before the trigger may go on writing: each write here and there is one that may have been done before.

create extension if not exists dblink;

-- As the services make them at start: a first deployment comes here before any of them.
create table if not exists users (
    id bigint generated always as identity primary key,
    email text not null unique,
    password text not null,
    created_at timestamptz not null default now());
create table if not exists sessions (
    token text primary key,
    user_id bigint not null references users on delete cascade,
    created_at timestamptz default now(),
    expires_at timestamptz not null default now() + interval '7 days');
create index if not exists sessions_user on sessions (user_id);

-- What could not be copied; empty when all is well (runbook 004: "User Sync Failures > 0: check dblink connection").
create table user_sync_failures (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    user_id bigint not null,
    operation text not null,
    code text not null,
    reason text not null);

-- Where the copy is: on this server, over its private socket, as the system user it runs as. So there is no password to keep.
-- A restored or rehearsed copy of this database has another name. It gets null, and no word of it ever reaches the real postgres.
create function user_sync_server() returns text
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select format('host=%s port=%s user=%s dbname=postgres application_name=user_sync connect_timeout=2 options=''-c lock_timeout=1s''',
                  split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_user)
    where current_database() = 'redcube_users'
$$;

-- Owner's rights: whoever may write to users is copied, and needs no right to dblink.
create function user_sync_send(statement text) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if user_sync_server() is not null then
        perform dblink_exec(user_sync_server(), statement);
    end if;
end $$;
revoke execute on function user_sync_send from public;

create function user_sync_there() returns table (id bigint, email text)
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if user_sync_server() is not null then
        return query select there.id, there.email
            from dblink(user_sync_server(), 'select id, email from users') as there (id bigint, email text);
    end if;
end $$;
revoke execute on function user_sync_there from public;

-- A user who cannot be copied is registered all the same, and written down.
create function user_sync_one() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if tg_op = 'DELETE' then
        perform user_sync_send(format('delete from users where id = %s', old.id));
    else
        perform user_sync_send(format(
            'insert into users (id, email) values (%s, %L) on conflict (id) do update set email = excluded.email', new.id, new.email));
    end if;
    return null;
exception when others then
    insert into user_sync_failures (user_id, operation, code, reason) values (coalesce(new.id, old.id), tg_op, sqlstate, sqlerrm);
    return null;
end $$;

create trigger user_sync after insert or delete or update of email on users for each row execute function user_sync_one();

-- Copies who is missing, and forgets the failures that this has mended; call it again after the cause of failures is gone.
-- Who left while postgres was away is deleted there only on the word of a failure: never by comparing.
create function user_sync_mend() returns bigint
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    failures bigint[];
    missing jsonb;
    gone text;
begin
    -- First: a failure that happens meanwhile is not forgotten.
    select array_agg(id) into failures from user_sync_failures;
    select jsonb_agg(jsonb_build_object('id', id, 'email', email)) into missing from v_user_sync_missing;
    select string_agg(user_id::text, ',') into gone from user_sync_failures as f
        where id = any (failures) and operation = 'DELETE' and not exists (select from users as u where u.id = f.user_id);
    if missing is not null then
        perform user_sync_send(format(
            'insert into users (id, email) select id, email from jsonb_to_recordset(%L) as one (id bigint, email text)
             on conflict (id) do update set email = excluded.email', missing));
    end if;
    if gone is not null then
        perform user_sync_send(format('delete from users where id in (%s)', gone));
    end if;
    delete from user_sync_failures where id = any (failures);
    return coalesce(jsonb_array_length(missing), 0);
end $$;
revoke execute on function user_sync_mend from public;

create view v_user_sync_missing as
    select u.id, u.email, u.created_at from users as u
    where user_sync_server() is not null
      and not exists (select from user_sync_there() as there where there.id = u.id and there.email = u.email);

-- Null where there is nothing to compare with.
create view v_user_sync_status as
    select here, there, here - there as difference
    from (select (select count(*) from users) as here,
                 case when user_sync_server() is not null then (select count(*) from user_sync_there()) end as there) as counted;

-- The trigger holds off other writes to users until this commits, so nobody registers between this look and the trigger.
-- What is written to postgres stays there if this fails: it does no harm, and is there already the next time.
select user_sync_send('create table if not exists users (
    id bigint primary key, email text not null, created_at timestamptz not null default now())');
select user_sync_mend();
