-- phase: expand
-- way: lossy
-- verify: each fact has a source: select 1 where (select count(distinct field) from waterfall_sources where enabled) < 6
--
-- The waterfall's configuration, with what it begins with.

create table waterfall_sources (
    field text not null,
    source text not null,
    priority bigint not null,
    enabled boolean not null default true,
    primary key (field, source));

insert into waterfall_sources (field, source, priority) values
    ('bpm', 'spotify', 1),
    ('key', 'spotify', 1),
    ('energy', 'spotify', 1),
    ('isrc', 'musicbrainz', 1),
    ('release_year', 'musicbrainz', 1),
    ('release_year', 'discogs', 2),
    ('genre', 'discogs', 1),
    ('label', 'discogs', 1);
