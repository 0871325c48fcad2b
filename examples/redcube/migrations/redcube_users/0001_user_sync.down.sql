-- The copy stays and is whole at this moment; 1.0.0, and newer ones without the trigger, write to it themselves.
-- The tables of the services stay too; so does dblink, which others may use by now.
drop trigger user_sync on users;
drop view v_user_sync_status;
drop view v_user_sync_missing;
drop function user_sync_mend();
drop function user_sync_one();
drop function user_sync_there();
drop function user_sync_send(text);
drop function user_sync_server();
drop table user_sync_failures;
