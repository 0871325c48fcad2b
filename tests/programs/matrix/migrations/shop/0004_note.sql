-- phase: contract
-- way: lossy
-- loses: select count(*) from orders
drop table notes;
