-- phase: contract
-- way: reversible
drop view old_orders;
