drop view old_orders;
drop table notes;
drop table orders;
