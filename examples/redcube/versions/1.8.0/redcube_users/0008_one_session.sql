-- phase: expand
-- way: reversible
-- transaction: none
--
-- Broken on purpose: its first statement is there for good when the second fails, which it does once somebody has logged in twice;
-- what that leaves is an index that is not valid. A precheck for users with two sessions would be right.

alter table sessions add column device text;

create unique index concurrently sessions_one_user on sessions (user_id);
