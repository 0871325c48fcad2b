drop table pipeline_replays;
