create view old_orders as select id, item from orders;
