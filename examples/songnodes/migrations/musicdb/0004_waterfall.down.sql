drop table waterfall_sources;
