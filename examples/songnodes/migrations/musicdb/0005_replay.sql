-- phase: expand
-- way: lossy
-- verify: replays can be noted: select 1 where to_regclass('pipeline_replays') is null
--
-- Of 1.1.0: which tracks were taken again from Bronze. 1.0.0 knows nothing of it, and needs not to.

create table pipeline_replays (
    id bigint generated always as identity primary key,
    track_id text not null,
    raw_id bigint not null,
    at timestamptz not null default now());
