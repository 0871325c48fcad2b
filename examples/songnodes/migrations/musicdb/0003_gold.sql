-- phase: expand
-- way: lossy
-- verify: all of Gold is there: select name from unnest(array['enriched_tracks', 'source_metrics', 'quality_scores']) name where to_regclass(name) is null
--
-- Gold: what others read.

create table enriched_tracks (
    track_id text primary key,
    artist_name text not null,
    track_title text not null,
    facts jsonb not null,
    sources jsonb not null,
    enriched_at timestamptz not null default now());

create table quality_scores (
    track_id text primary key references enriched_tracks on delete cascade,
    score double precision not null check (score between 0 and 1));

-- How many facts each source has given, by day.
create table source_metrics (
    day date not null,
    source text not null,
    facts bigint not null,
    primary key (day, source));
