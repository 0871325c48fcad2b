-- phase: expand
-- way: lossy
-- verify: all of Silver is there: select name from unnest(array['enrichment_requests', 'enrichment_dead_letters', 'api_calls', 'circuit_breaker_events']) name where to_regclass(name) is null
--
-- Silver: what was done about a request, what could not be done, and how the providers behaved.

create table enrichment_requests (
    id bigint generated always as identity primary key,
    raw_id bigint not null references raw_track_enrichment_requests,
    track_id text not null,
    status text not null default 'running' check (status in ('running', 'completed', 'failed')),
    sources jsonb not null default '{}',
    error text not null default '',
    begun_at timestamptz not null default now(),
    ended_at timestamptz);
create index enrichment_requests_track on enrichment_requests (track_id);
create index enrichment_requests_raw on enrichment_requests (raw_id);

create table enrichment_dead_letters (
    id bigint generated always as identity primary key,
    track_id text not null,
    artist_name text not null,
    track_title text not null,
    reason text not null,
    trace_id text not null,
    state text not null default 'waiting' check (state in ('waiting', 'retried', 'discarded')),
    attempts bigint not null default 0,
    died_at timestamptz not null default now());
create index enrichment_dead_letters_state on enrichment_dead_letters (state);

create table api_calls (
    id bigint generated always as identity primary key,
    provider text not null,
    ok boolean not null,
    duration_ms double precision not null,
    trace_id text not null,
    at timestamptz not null default now());

create table circuit_breaker_events (
    id bigint generated always as identity primary key,
    provider text not null,
    state text not null,
    why text not null,
    at timestamptz not null default now());
