-- phase: contract
-- way: lossy
-- loses: select count(*) from sessions
--
-- No version reads when a session began. Going back gives the column back, and not what was in it: it is empty for all who are logged in.

alter table sessions drop column created_at;
