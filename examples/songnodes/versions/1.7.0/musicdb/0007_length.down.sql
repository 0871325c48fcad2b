alter table enriched_tracks drop column length_ms;
