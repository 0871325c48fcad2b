drop view schema_migrations;
drop function schema_migrations_now();
drop table raw_track_enrichment_requests;
