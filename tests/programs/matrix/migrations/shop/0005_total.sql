-- phase: contract
alter table orders drop column total;
