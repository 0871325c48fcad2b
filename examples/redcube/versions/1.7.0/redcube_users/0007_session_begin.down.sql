alter table sessions add column created_at timestamptz;
-- Afterwards, and not in one: that would say of all sessions that they began now.
alter table sessions alter column created_at set default now();
