drop table circuit_breaker_events;
drop table api_calls;
drop table enrichment_dead_letters;
drop table enrichment_requests;
