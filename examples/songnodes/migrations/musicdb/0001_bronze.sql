-- phase: expand
-- way: lossy
-- verify: what has come is there: select 1 where to_regclass('raw_track_enrichment_requests') is null
-- verify: nothing has failed: select * from schema_migrations where not success
--
-- Bronze: requests as they came. And schema_migrations, as the runbook's people look at it: what was done to this database.

create table raw_track_enrichment_requests (
    id bigint generated always as identity primary key,
    track_id text not null,
    trace_id text not null,
    payload jsonb not null,
    received_at timestamptz not null default now());
create index raw_track_enrichment_requests_track on raw_track_enrichment_requests (track_id);

-- A function, and no view alone, since it is bound when it runs: the history's own table stays free to change.
create function schema_migrations_now() returns table (version text, name text, success boolean, applied_at timestamptz, error text)
language plpgsql stable as $$
begin
    -- The one that runs is written down as such while it does, this view being part of it.
    return query select m.id, m.name, m.state in ('applied', 'running', 'reverting'), coalesce(m.ended_at, m.begun_at), m.error
        from sluice_history.migration m order by m.id;
end $$;
create view schema_migrations as select * from schema_migrations_now();
