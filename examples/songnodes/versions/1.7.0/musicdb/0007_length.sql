-- phase: expand
-- way: reversible
--
-- Broken on purpose: it fails as soon as Gold has a track, which has no length. An empty database lets it pass.

alter table enriched_tracks add column length_ms bigint not null;
