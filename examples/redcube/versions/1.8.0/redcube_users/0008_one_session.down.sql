-- transaction: none

drop index concurrently if exists sessions_one_user;
alter table sessions drop column if exists device;
