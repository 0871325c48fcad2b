drop table source_metrics;
drop table quality_scores;
drop table enriched_tracks;
